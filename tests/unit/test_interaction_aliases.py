from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

from interaction.domain.aliases import Merge, survivors

A, B, C, D = (UUID(int=n) for n in range(1, 5))
AT = datetime(2024, 1, 1, tzinfo=UTC)


def merge(customer_id: UUID, into: UUID, day: int = 0) -> Merge:
    return Merge(customer_id, into, AT + timedelta(days=day))


def test_a_chain_of_merges_ends_with_the_last_survivor_in_any_order() -> None:
    for order in permutations([merge(A, B), merge(B, C), merge(D, C)]):
        assert survivors(order) == {A: C, B: C, D: C}


def test_a_ring_of_merges_ends_with_the_target_of_the_latest() -> None:
    for order in permutations([merge(A, B, 1), merge(B, A, 2), merge(C, B, 3)]):
        assert survivors(order) == {A: A, B: A, C: A}
