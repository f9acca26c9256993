"""Which profile a record belongs to.

An external id decides before anything else; then e-mail, then phone. A source gives one person one id, so a record
with an id of its own is never matched by e-mail or phone to a profile that has another id in the same source: the two
are told as possible duplicates and a person decides. (Twilio Segment's identity resolution: limit 1 for user ids, the
weaker identifier is demoted.)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from customer.domain.profile import Draft, Identifier, Key, Profile, absorb, with_identifiers

MatchedBy = Literal["external_id", "email", "phone"]
_MATCHED_BY: dict[str, MatchedBy] = {"external": "external_id", "email": "email", "phone": "phone"}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a record went."""

    customer_id: UUID
    matched_by: MatchedBy | None
    possible_duplicates: tuple[UUID, ...]


@dataclass(slots=True)
class Book:
    """The profiles that a batch of records may belong to, and what becomes of them.

    `owners` says whose each key is; records of one batch see what the ones before them added.
    """

    owners: dict[Key, UUID]
    profiles: dict[UUID, Profile]
    new_id: Callable[[Draft], UUID]
    now: datetime
    created: list[UUID] = field(default_factory=list)
    touched: dict[UUID, None] = field(default_factory=dict)
    added: list[tuple[UUID, Identifier, int]] = field(default_factory=list)

    def place(self, draft: Draft) -> Placement:
        """Match a record or make a profile of it, and take in what it says."""
        found = self._match(draft)
        customer_id, matched_by = found if found else (self._create(draft), None)
        others = {self.owners[key]: None for key in draft.keys if key in self.owners}
        others.pop(customer_id, None)
        self._take_in(customer_id, draft)
        return Placement(customer_id, matched_by, tuple(others))

    def _match(self, draft: Draft) -> tuple[UUID, MatchedBy] | None:
        own_sources = {key.source for key in draft.keys_of("external")}
        for kind in ("external", "email", "phone"):
            for key in draft.keys_of(kind):
                owner = self.owners.get(key)
                if owner is not None and (kind == "external" or not self._known_otherwise(owner, own_sources)):
                    return owner, _MATCHED_BY[kind]
        return None

    def _known_otherwise(self, customer_id: UUID, sources: set[str]) -> bool:
        """Whether a profile has ids of its own in a source that gives the record another one."""
        return any(key.source in sources for key in self.profiles[customer_id].keys("external"))

    def _create(self, draft: Draft) -> UUID:
        customer_id = self.new_id(draft)
        self.profiles[customer_id] = Profile(customer_id, self.now, self.now)
        self.created.append(customer_id)
        return customer_id

    def _take_in(self, customer_id: UUID, draft: Draft) -> None:
        before = self.profiles[customer_id]
        present = {identifier.key for identifier in before.identifiers}
        free = {key for key in draft.keys if self.owners.get(key, customer_id) == customer_id}
        fresh = [
            Identifier(key, key in free, draft.origin)
            for key in dict.fromkeys(draft.keys)
            # Another profile's external id stays there; a shared address or number is kept, but does not identify.
            if key not in present and (key.kind != "external" or key in free)
        ]
        after = with_identifiers(absorb(before, draft), fresh)
        first = len(before.identifiers)
        self.added += [(customer_id, identifier, first + n) for n, identifier in enumerate(fresh)]
        self.owners |= {identifier.key: customer_id for identifier in fresh if identifier.identifying}
        if after is not before:
            self.profiles[customer_id] = after
            self.touched[customer_id] = None
