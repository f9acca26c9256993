"""A merge and its undoing, as pure values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from customer.domain.merging import Brought, merge, unmerge
from customer.domain.profile import Identifier, Key, Origin, Profile

AT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = AT + timedelta(days=1)

keys = st.one_of(
    st.builds(lambda n: Key("external", "shop", str(n)), st.integers(0, 5)),
    st.builds(lambda n: Key("email", "", f"{n}@example.com"), st.integers(0, 5)),
)
origins = st.builds(Origin, st.sampled_from(["shop", "crm"]), st.just(AT))


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    origin = draw(origins).as_json()
    name, country = draw(st.none() | st.text(max_size=5)), draw(st.none() | st.just("GB"))
    attributes: dict[str, Any] = draw(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)))
    provenance: dict[str, Any] = {
        field: origin for field, value in (("name", name), ("country", country)) if value is not None
    }
    kind = draw(st.sampled_from([None, "person", "organisation"]))
    if kind:
        provenance["kind"] = origin
    if attributes:
        provenance["attributes"] = dict.fromkeys(attributes, origin)
    held = draw(st.lists(st.tuples(keys, st.booleans(), origins), max_size=4, unique_by=lambda one: one[0]))
    return Profile(
        uuid4(), AT, AT, kind=kind or "person", name=name, country=country, attributes=attributes,
        provenance=provenance, identifiers=tuple(Identifier(*one) for one in held), version=draw(st.integers(1, 9)),
    )  # fmt: skip


@given(profiles(), profiles())
def test_undoing_a_merge_restores_the_survivor_whatever_was_brought(absorbed: Profile, survivor: Profile) -> None:
    merged, brought = merge(absorbed, survivor, now=LATER)
    kept = Brought.from_json(msgspec.json.decode(msgspec.json.encode(brought.as_json())))
    assert kept == brought
    restored = unmerge(merged, kept, now=LATER)
    assert replace(restored, version=survivor.version) == survivor
    assert restored.version == merged.version + 1
    assert tuple(kept.identifiers) == absorbed.identifiers


@given(profiles(), profiles())
def test_a_merge_loses_no_value_that_the_survivor_lacked(absorbed: Profile, survivor: Profile) -> None:
    merged, _ = merge(absorbed, survivor, now=LATER)
    assert merged.name == (survivor.name if survivor.name is not None else absorbed.name)
    assert merged.attributes == absorbed.attributes | survivor.attributes
    assert {one.key for one in merged.identifiers} == {
        one.key for one in (*absorbed.identifiers, *survivor.identifiers)
    }


@given(profiles(), profiles())
def test_what_changed_since_the_merge_stays(absorbed: Profile, survivor: Profile) -> None:
    merged, brought = merge(absorbed, survivor, now=LATER)
    origin = Origin("api", LATER).as_json()
    edited = replace(
        merged, name="Edited", provenance=merged.provenance | {"name": origin}, version=merged.version + 1,
        updated_at=LATER,
    )  # fmt: skip
    restored = unmerge(edited, brought, now=LATER + timedelta(days=1))
    assert restored.name == "Edited"
    assert restored.updated_at == LATER + timedelta(days=1)
