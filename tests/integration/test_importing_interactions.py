"""Files sent to a real interaction service over HTTP."""

import csv
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from sqlalchemy import text

from chassis.clock import VirtualClock
from chassis.service import Service
from interaction.app import build
from interaction.settings import InteractionSettings
from standalone.errors import Refusal
from standalone.importing import InteractionImport, import_interactions
from tests.conftest import ClientFor, SettingsFor

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
BASKETS = """basket_id,customer_id,date,product_id,quantity,sales_value
b1,c1,2024-01-01 10:00:00,milk,2,3.10
b1,c1,2024-01-01 10:00:00,"ca""ke, sweet",1,0.20
b2,c2,2024-01-02 09:00:00,bread,1,2.00
b1,c1,2024-01-01 10:00:00,tea,1,1.00
b3,c1,2024-01-05 10:00:00,milk,-2,-3.10
"""
SHOP = InteractionImport("shop", time_zone="Europe/Berlin")


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    service = build(await settings_for(InteractionSettings), clock=VirtualClock(NOW))
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as client:
        yield client


async def stored(service: Service) -> list[Any]:
    async with service.database.read() as session:
        return list((await session.execute(text("SELECT * FROM interactions ORDER BY source_id"))).mappings().all())


def written(folder: Path, content: str | bytes, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


async def test_rows_of_one_id_become_one_purchase_and_a_negative_one_a_return(
    tmp_path: Path, client: httpx.AsyncClient, service: Service
) -> None:
    summary = await import_interactions(written(tmp_path, BASKETS), SHOP, client)
    assert (summary.read, summary.accepted, summary.rejected) == (5, 3, 0)
    first, second, third = await stored(service)
    assert [line["product"] for line in first["lines"]] == ["milk", 'ca"ke, sweet', "tea"]
    assert (first["amount"], second["amount"], third["amount"]) == (Decimal("4.3"), Decimal(2), Decimal("3.1"))
    assert first["occurred_at"] == datetime(2024, 1, 1, 9, tzinfo=UTC)
    assert (first["kind"], third["kind"]) == ("purchase", "return")
    assert third["lines"] == [{"product": "milk", "quantity": "2", "amount": "3.1"}]
    assert all(row["backfill"] and row["known_at"] == row["occurred_at"] for row in (first, second, third))
    assert not list(tmp_path.glob("*stave-progress*"))


async def test_importing_a_file_again_adds_nothing(tmp_path: Path, client: httpx.AsyncClient, service: Service) -> None:
    path = written(tmp_path, BASKETS)
    await import_interactions(path, SHOP, client)
    again = await import_interactions(path, SHOP, client)
    assert (again.accepted, again.duplicates, again.rejected) == (0, 3, 0)
    assert len(await stored(service)) == 3


async def test_rejected_rows_are_told_with_their_reason_and_do_not_stop_the_rest(
    tmp_path: Path, client: httpx.AsyncClient, service: Service
) -> None:
    rows = [
        "id;customer;date;amount", "1;c1;2024-01-01;1,50", "2;;2024-01-01;2", "3;c1;yesterday;3",
        "4;c1;2024-01-02;much", "5;c1;2024-01-02", "6;c2;2030-01-01;6", "7;c2;01.02.2024;1.007,25",
    ]  # fmt: skip
    options = InteractionImport("till", constants={"currency": "EUR"}, time_zone="UTC", decimal_comma=True)
    summary = await import_interactions(written(tmp_path, "\n".join(rows) + "\n"), options, client)
    assert (summary.read, summary.accepted, summary.rejected) == (7, 2, 5)
    assert [row["amount"] for row in await stored(service)] == [Decimal("1.5"), Decimal("1007.25")]
    assert summary.rejects is not None
    with summary.rejects.open(newline="") as file:
        told = list(csv.DictReader(file))
    assert {row["row"]: row["reason"] for row in told} == {
        "2": "customer is empty.",
        "3": "The time cannot be read.",
        "4": "amount is not a number.",
        "5": "It has 3 columns, not 4.",
        "6": "/occurred_at: It lies in the future.",
    }
    assert next(row for row in told if row["row"] == "6")["date"] == "2030-01-01"


async def test_a_purchase_with_a_broken_line_is_rejected_whole(
    tmp_path: Path, client: httpx.AsyncClient, service: Service
) -> None:
    path = written(tmp_path, BASKETS.replace("tea,1,1.00", "tea,1,free"))
    summary = await import_interactions(path, SHOP, client)
    assert (summary.accepted, summary.rejected) == (2, 3)
    assert [row["source_id"] for row in await stored(service)] == ["b2", "b3"]


async def test_an_interrupted_import_goes_on_where_it_was(
    tmp_path: Path, client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("standalone.importing.sending.MAX_ITEMS", 2)
    rows = "".join(f"{n},c{n},2024-01-01,{'x' if n == 3 else n}\n" for n in range(1, 21))
    path = written(tmp_path, "id,customer,date,amount\n" + rows)
    answered = 0

    async def refuse_after_three(request: httpx.Request) -> None:
        nonlocal answered
        answered += 1
        if answered > 3:
            raise Refusal("unplugged")

    client.event_hooks = {"request": [refuse_after_three]}
    with pytest.raises(Refusal, match="unplugged"):
        await import_interactions(path, SHOP, client)
    half = len(await stored(service))
    assert 0 < half < 19
    client.event_hooks = {}
    summary = await import_interactions(path, SHOP, client)
    assert (summary.read, summary.accepted + summary.duplicates, summary.rejected) == (20, 19, 1)
    assert len(await stored(service)) == 19
    assert summary.rejects is not None
    assert len(summary.rejects.read_text().splitlines()) == 2
    # Only what was on its way when it was interrupted is sent twice.
    assert summary.duplicates <= 6


async def test_parquet_with_whole_number_floats_as_ids(
    tmp_path: Path, client: httpx.AsyncClient, service: Service
) -> None:
    table = pa.table({
        "InvoiceNo": ["1", "1", "2"], "CustomerID": [17850.0, 17850.0, None], "StockCode": ["a", "b", "c"],
        "Quantity": pa.array([6, 1, 1], pa.int32()), "UnitPrice": [2.55, 1.0, 1.0],
        "InvoiceDate": pa.array([datetime(2010, 12, 1, 8, 26)] * 3, pa.timestamp("ns")),  # noqa: DTZ001
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "retail.parquet")
    summary = await import_interactions(tmp_path / "retail.parquet", SHOP, client)
    assert (summary.accepted, summary.rejected) == (1, 1)
    [row] = await stored(service)
    assert row["amount"] == Decimal("16.3")
    async with service.database.read() as session:
        assert await session.scalar(text("SELECT external_id FROM identities")) == "17850"


async def test_ndjson_may_hold_whole_bodies_or_flat_rows(
    tmp_path: Path, client: httpx.AsyncClient, service: Service
) -> None:
    whole = {
        "source_id": "w1", "customer": {"source": "shop", "external_id": "c1"}, "channel": "web", "kind": "purchase",
        "occurred_at": "2024-01-01T00:00:00Z", "amount": {"amount": "5", "currency": "EUR"},
    }  # fmt: skip
    path = written(tmp_path, json.dumps(whole) + "\n{broken\n", "whole.ndjson")
    summary = await import_interactions(path, InteractionImport("shop"), client)
    assert (summary.accepted, summary.rejected) == (1, 1)
    flat = {"id": 7, "customer_id": "c1", "date": "2024-01-01T00:00:00Z", "amount": 2.5}
    path = written(tmp_path, json.dumps(flat) + "\n", "flat.ndjson")
    await import_interactions(path, SHOP, client)
    assert {(row["source_id"], row["amount"]) for row in await stored(service)} == {("w1", 5), ("7", Decimal("2.5"))}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\x00\x01binary", "binary data"),
        (b"PAR1 but not really", "cannot be read"),
        (b"\x1f\x8bzipped", "compressed"),
        (b"a,b\n1,2\n", "--map source_id=COLUMN"),
        (b"id,customer,amount\n1,2,3\n", "--map occurred_at=COLUMN"),
        (b"id,id,amount\n1,2,3\n", "more than once"),
        (b"id,customer,date,amount\n", "no rows"),
        (b"id,customer,date,amount\n1,c,2024-01-01 10:00,1\n", "--time-zone"),
    ],
)
async def test_an_unusable_file_is_refused_in_one_sentence(
    tmp_path: Path, client: httpx.AsyncClient, content: bytes, reason: str
) -> None:
    with pytest.raises(Refusal) as refused:
        await import_interactions(written(tmp_path, content), InteractionImport("shop"), client)
    assert reason in str(refused.value)
