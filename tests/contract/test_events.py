"""Events are a promise to whoever reads them: names stay, shapes only grow, personal data keeps to its topic."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import BY_WIRE_NAME, EVENTS
from contracts.document import describe
from contracts.event import CustomerEvent, Event

SNAPSHOT = Path(__file__).parent / "snapshots" / "events.json"
PAGE = Path(__file__).parents[2] / "docs" / "events.md"
PERSONAL = {"name", "emails", "phones", "address", "email", "phone", "text", "subject_line", "note"}


def schemas() -> dict[str, Any]:
    return {event.wire_name: event.model_json_schema(mode="serialization") for event in EVENTS}


def _choices(shape: dict[str, Any]) -> set[str]:
    return {str(value) for value in shape.get("enum", ())}


def _without_choices(shape: dict[str, Any] | None) -> dict[str, Any]:
    """A further value of an enumeration is an addition; everything else about a field stays."""
    return {name: value for name, value in (shape or {}).items() if name != "enum"}


def test_wire_names_are_unique_and_versioned() -> None:
    assert len(BY_WIRE_NAME) == len(EVENTS)
    assert all(name.rsplit(".", 1)[1].removeprefix("v").isdigit() for name in BY_WIRE_NAME)


def test_nothing_published_before_has_vanished_or_changed_its_shape() -> None:
    if os.environ.get("STAVE_UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(schemas(), indent=1, sort_keys=True) + "\n")
    now = schemas()
    for name, before in json.loads(SNAPSHOT.read_text()).items():
        assert name in now, f"{name} is gone: wire names are permanent"
        for field, shape in before["properties"].items():
            assert now[name]["properties"].get(field) == shape, (
                f"{name}.{field} changed: publish a new version beside it"
            )
        assert set(now[name].get("required", ())) <= set(before.get("required", ())) | set(now[name]["properties"])


def test_every_event_is_in_the_snapshot() -> None:
    assert set(json.loads(SNAPSHOT.read_text())) == set(BY_WIRE_NAME), (
        "run the contract tests with STAVE_UPDATE_SNAPSHOTS=1"
    )


def test_the_catalogue_page_is_generated_from_the_contracts() -> None:
    assert PAGE.read_text() == describe(), "run `make docs`"


@pytest.mark.parametrize(
    "event",
    [event for event in EVENTS if issubclass(event, CustomerEvent) and event.topic != "customer-contact"],
)
def test_personal_data_travels_on_its_own_topic_only(event: type[Event]) -> None:
    assert not PERSONAL & set(event.model_fields)


def test_what_a_reader_does_not_know_is_ignored() -> None:
    wire = {"model": "churn/1", "kind": "churn", "promoted_at": "2026-01-01T00:00:00Z", "new_in_later_versions": 1}
    assert BY_WIRE_NAME["scoring.model_promoted.v1"].model_validate(wire).subject == "model-churn"
