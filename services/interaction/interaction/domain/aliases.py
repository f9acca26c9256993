"""Which profile a merged one lives on in, from the merges that stand; any order of arrival gives the same answer."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Merge(NamedTuple):
    """`customer_id` lives on as `into`."""

    customer_id: UUID
    into: UUID
    merged_at: datetime


def survivors(merges: Iterable[Merge]) -> dict[UUID, UUID]:
    """The survivor of each merged profile.

    Merge and un-merge of different profiles may arrive in any order, so for a moment merges can form a ring; then the
    target of the latest one survives.
    """
    by_customer = {merge.customer_id: merge for merge in merges}
    return {customer_id: _survivor(customer_id, by_customer) for customer_id in by_customer}


def _survivor(customer_id: UUID, by_customer: dict[UUID, Merge]) -> UUID:
    walked: list[Merge] = []
    here = customer_id
    while here in by_customer:
        merge = by_customer[here]
        if merge in walked:
            ring = walked[walked.index(merge) :]
            return max(ring, key=lambda one: (one.merged_at, one.into)).into
        walked.append(merge)
        here = merge.into
    return here
