"""Which profile a record belongs to, and what it leaves there."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from customer.domain.matching import Book
from customer.domain.profile import Draft, Identifier, Key, Origin, Profile

AT = datetime(2026, 1, 1, tzinfo=UTC)
SHOP = Origin("shop", AT)


def external(value: str, source: str = "shop") -> Key:
    return Key("external", source, value)


def email(value: str) -> Key:
    return Key("email", "", value)


def phone(value: str) -> Key:
    return Key("phone", "", value)


def profile(*keys: Key, name: str | None = None) -> Profile:
    identifiers = tuple(Identifier(key, True, SHOP) for key in keys)
    return Profile(uuid4(), AT, AT, name=name, identifiers=identifiers)


def book(*known: Profile) -> Book:
    owners = {identifier.key: one.id for one in known for identifier in one.identifiers}
    return Book(owners, {one.id: one for one in known}, lambda _draft: uuid4(), AT)


def draft(*keys: Key, name: str | None = None) -> Draft:
    return Draft(SHOP, keys=keys, name=name)


def test_an_external_id_decides_before_e_mail_and_phone() -> None:
    by_id, by_email, by_phone = profile(external("1")), profile(email("a@b.cd")), profile(phone("+1"))
    placement = book(by_id, by_email, by_phone).place(draft(phone("+1"), email("a@b.cd"), external("1")))
    assert (placement.customer_id, placement.matched_by) == (by_id.id, "external_id")
    assert set(placement.possible_duplicates) == {by_email.id, by_phone.id}


def test_an_e_mail_decides_before_a_phone() -> None:
    by_email, by_phone = profile(email("a@b.cd")), profile(phone("+1"))
    placement = book(by_email, by_phone).place(draft(phone("+1"), email("a@b.cd")))
    assert (placement.customer_id, placement.matched_by) == (by_email.id, "email")


def test_who_has_another_id_in_the_same_source_is_not_matched_by_e_mail_but_perhaps_by_phone() -> None:
    other, same = profile(external("1"), email("a@b.cd")), profile(external("9", "crm"), phone("+1"))
    placement = book(other, same).place(draft(external("2"), email("a@b.cd"), phone("+1")))
    assert (placement.customer_id, placement.matched_by) == (same.id, "phone")
    assert placement.possible_duplicates == (other.id,)


def test_a_shared_address_is_kept_but_identifies_only_its_first_owner() -> None:
    first = profile(external("1"), email("family@b.cd"))
    pages = book(first)
    second = pages.place(draft(external("2"), email("family@b.cd"))).customer_id
    assert [(one.key.kind, one.identifying) for one in pages.profiles[second].identifiers] == [
        ("external", True), ("email", False),
    ]  # fmt: skip
    assert pages.owners[email("family@b.cd")] == first.id


def test_an_external_id_stays_with_its_owner_when_a_record_names_two() -> None:
    one, two = profile(external("1")), profile(external("2", "crm"))
    pages = book(one, two)
    placement = pages.place(draft(external("1"), external("2", "crm")))
    assert (placement.customer_id, placement.possible_duplicates) == (one.id, (two.id,))
    assert pages.profiles[one.id] is one


def test_a_later_record_of_a_batch_sees_what_an_earlier_one_made() -> None:
    pages = book()
    first = pages.place(draft(external("1"), email("a@b.cd")))
    second = pages.place(draft(email("a@b.cd"), name="Ann"))
    assert second.customer_id == first.customer_id
    assert second.matched_by == "email"
    assert (pages.created, pages.profiles[first.customer_id].name) == ([first.customer_id], "Ann")


def test_a_record_that_tells_nothing_new_touches_nothing() -> None:
    known = replace(profile(external("1"), name="Ann"))
    pages = book(known)
    pages.place(draft(external("1"), name="Anna"))
    assert not pages.touched
    assert pages.profiles[known.id] is known


def test_a_key_named_twice_is_added_once() -> None:
    pages = book()
    made: UUID = pages.place(draft(email("a@b.cd"), email("a@b.cd"))).customer_id
    assert len(pages.profiles[made].identifiers) == 1
