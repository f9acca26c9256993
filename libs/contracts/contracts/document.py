"""Writes the events catalogue as Markdown: `python -m contracts.document > docs/events.md`."""

import sys
from collections import defaultdict
from typing import Any

from contracts.catalogue import EVENTS, PARTITION_COUNT
from contracts.event import Event

_HEAD = f"""# Events

Services tell each other what happened through these events and nothing else. The file is generated from
`libs/contracts` by `make docs`; a test fails when it is not up to date.

- The envelope is [CloudEvents 1.0](https://github.com/cloudevents/spec) as JSON, with `partitionkey`, `traceparent`,
  `correlationid` (the trace that began the chain), `causationid` (the event that led to this one) and `backfill`.
- Names are permanent and changes only add fields; anything else becomes a `.v2` published beside the `.v1`. Readers
  ignore names and fields they do not know.
- Each topic has {PARTITION_COUNT} partitions by `partitionkey`; events of one key keep their order and arrive at least
  once. Only `customer-contact` carries personal data: erasure removes all of a customer's records from it.
- A partner's endpoint may ask for the events marked *offered*, also by wildcard (`scoring.*`).
"""


def describe() -> str:
    """The whole page."""
    by_topic: dict[str, list[type[Event]]] = defaultdict(list)
    for event in EVENTS:
        by_topic[event.topic].append(event)
    return "\n".join([_HEAD, *(_topic(name, events) for name, events in by_topic.items()), _shared_shapes()])


def _shared_shapes() -> str:
    """The values that several events hold."""
    shapes: dict[str, dict[str, Any]] = {}
    for event in EVENTS:
        shapes.update(event.model_json_schema(mode="serialization").get("$defs", {}))
    parts = ["## Shapes\n"]
    for name, schema in sorted(shapes.items()):
        rows = [f"| `{field}` | {_shape(shape)} | {_need(shape)} |" for field, shape in schema["properties"].items()]
        told = " ".join(schema.get("description", "").split())
        parts += [f"### {name}\n", f"{told}\n", "| field | shape | |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(parts)


def _topic(name: str, events: list[type[Event]]) -> str:
    return "\n".join([f"## Topic `{name}`\n", *(_event(event) for event in events)])


def _event(event: type[Event]) -> str:
    offered = "offered to partners" if event.offered else "not offered to partners"
    rows = [f"| `{name}` | {_shape(field)} | {_need(field)} |" for name, field in _fields(event)]
    head = [f"### `{event.wire_name}`\n", f"{' '.join((event.__doc__ or '').split())} *({offered})*\n"]
    return "\n".join([*head, "| field | shape | |", "| --- | --- | --- |", *rows, ""])


def _fields(event: type[Event]) -> list[tuple[str, dict[str, Any]]]:
    schema = event.model_json_schema(mode="serialization")
    required = set(schema.get("required", ()))
    return [(name, {**field, "needed": name in required}) for name, field in schema["properties"].items()]


def _need(field: dict[str, Any]) -> str:
    # In serialization mode everything is present; a default says what a missing one was.
    return f"default `{field['default']}`" if "default" in field else ""


def _shape(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return f"{field['$ref'].rsplit('/', 1)[-1]}"
    if "anyOf" in field:
        return " or ".join(_shape(choice) for choice in field["anyOf"])
    if "enum" in field:
        return " · ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_shape(field.get('items', {}))}"
    return str(field.get("format", field.get("type", "anything")))


if __name__ == "__main__":
    sys.stdout.write(describe())
