"""What is kept live equals what the log tells: for every past day, whatever came late, in whatever order."""

import json
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random

import httpx
import numpy as np
import pytest

from chassis.clock import VirtualClock
from chassis.service import Service
from contracts.interaction import InteractionRecorded
from scoring.app import build
from scoring.domain.activity import ActivityTable, Occurrence, bucket_days, day_number, increments_of
from scoring.domain.features import FEATURE_NAMES, compute_features
from scoring.settings import ScoringSettings
from tests.conftest import ClientFor, SettingsFor
from tests.support.scoring import apply, customer, recorded, rows_of

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, PEOPLE = 40, 6
KINDS = ("purchase", "purchase", "purchase", "return", "complaint", "contact", "visit", "campaign_touch")


def arrivals(seed: int) -> list[InteractionRecorded]:
    """Interactions in the order in which they become known; every third comes days late."""
    dice = Random(seed)
    found = []
    for _ in range(150):
        occurred_at = START + timedelta(hours=dice.uniform(0, 24 * (DAYS - 6)))
        late = timedelta(days=dice.uniform(0, 5)) if dice.random() < 0.33 else timedelta(0)
        who, kind = customer(dice.randrange(PEOPLE)), dice.choice(KINDS)
        amount = round(dice.uniform(0, 99), 2)
        found.append(recorded(who, occurred_at, kind, amount, known_at=occurred_at + late))
    return sorted(found, key=lambda one: one.known_at)


@pytest.fixture
async def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
async def service(settings_for: SettingsFor, clock: VirtualClock) -> AsyncIterator[Service]:
    service = build(await settings_for(ScoringSettings), clock=clock)
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as client:
        yield client


def _number(value: float | None) -> float:
    return math.nan if value is None else value


Known = dict[str, list[float]]


async def features_of(client: httpx.AsyncClient, day: datetime) -> Known:
    answer = await client.get("/v1/features", params={"as_of": day.date().isoformat()})
    rows = [json.loads(line) for line in answer.text.splitlines()]
    return {row["customer_id"]: [_number(row["features"][name]) for name in FEATURE_NAMES] for row in rows}


def by_the_log(events: list[InteractionRecorded], as_of: datetime) -> Known:
    """The features out of the plain log, without any bucket ever stored."""
    known = [one for one in events if one.known_at <= as_of and increments_of(Occurrence(kind=one.kind)) is not None]
    people = sorted({one.customer_id for one in known})
    days = [bucket_days(one.occurred_at, one.known_at, backfill=False) for one in known]
    sums = [
        increments_of(Occurrence(kind=one.kind, amount=float(one.amount.amount) if one.amount else 0.0))
        for one in known
    ]
    table = ActivityTable.build(
        len(people), [people.index(one.customer_id) for one in known], day=[day for day, _ in days],
        known_day=[known_day for _, known_day in days], sums=np.array(sums).reshape(len(known), -1),
    )  # fmt: skip
    features = compute_features(table, day_number(as_of))
    return {
        str(who): np.where(np.isfinite(row), row, np.nan).tolist() for who, row in zip(people, features, strict=True)
    }


def assert_same(left: Known, right: Known) -> None:
    for who in right:
        assert left[who] == pytest.approx(right[who], rel=1e-9, nan_ok=True), who


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_features_of_a_past_day_never_change(
    service: Service, client: httpx.AsyncClient, clock: VirtualClock, seed: int
) -> None:
    events = arrivals(seed)
    live: dict[datetime, Known] = {}
    for number in range(DAYS):
        evening = START + timedelta(days=number, hours=23, minutes=59, seconds=59, microseconds=999999)
        clock.set(evening)
        await apply(service, *(one for one in events if evening - timedelta(days=1) < one.known_at <= evening))
        live[evening] = await features_of(client, evening)
    for evening, then in live.items():
        assert_same(await features_of(client, evening), then)
        assert_same(then, by_the_log(events, evening))


async def test_buckets_are_the_same_in_every_order_of_arrival(service: Service, clock: VirtualClock) -> None:
    clock.set(START + timedelta(days=DAYS))
    events = arrivals(4)
    everything = "SELECT * FROM activity ORDER BY customer_id, day, known_day"
    await apply(service, *events)
    forwards = await rows_of(service, everything)
    await rows_of(service, "DELETE FROM activity")
    Random(5).shuffle(events)
    for start in range(0, len(events), 7):
        await apply(service, *events[start : start + 7])
    assert await rows_of(service, everything) == forwards
