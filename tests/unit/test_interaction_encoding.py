"""The quick encoding of events says the same, byte for byte, as the contracts do."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis.trace import new_trace
from contracts.envelope import Envelope
from contracts.interaction import HistoryRecorded, InteractionRecorded
from interaction.acceptance import accept
from interaction.encoding import MAX_CHUNK_ROWS, history_rows, recorded_row
from interaction.entries import Entry
from interaction.refusals import Rules

AT = datetime(2024, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)
RULES = Rules("EUR", {"EUR": Decimal(1), "GBP": Decimal("1.2")}, Decimal("0.25"), AT, AT)
BODY = {
    "source": "shop", "source_id": "536365", "customer": {"source": "shop", "external_id": "é\"17850"},
    "channel": "web", "kind": "purchase", "occurred_at": "2010-12-01T08:26:00+01:00",
    "amount": {"amount": "15.30", "currency": "GBP"}, "cost_to_serve": 0.4,
    "lines": [
        {"product": "85123A", "category": "decor", "quantity": 6, "unit_price": "2.55", "amount": "15.30",
         "discount": "0", "unit_cost": "1.10"},
        {"product": "é", "unit_price": 1e-3},
    ],
    "properties": {"severity": "high", "rating": 4, "alert_id": str(UUID(int=7)), "ends_at": "2024-01-01T00:00:00Z",
                   "plan": 5, "note": "x"},
}  # fmt: skip


def entry(**changes: Any) -> Entry:
    made = accept(json.dumps(BODY | changes).encode(), RULES, trace=new_trace())
    made.customer_id = made.survivor_id = UUID(int=2**120 + 5)
    return made


def test_a_recorded_event_is_encoded_as_the_contract_encodes_it() -> None:
    for given in (entry(), entry(lines=[], properties={}, amount=None, customer={"id": str(UUID(int=3))})):
        event_id, topic, key, payload = recorded_row(given, AT)
        read = Envelope.model_validate_json(payload)
        event = InteractionRecorded.model_validate(read.data)
        assert (topic, key) == (event.topic, event.subject)
        rebuilt = Envelope.wrap(
            event, event_id=event_id, source="interaction", time=AT, traceparent=given.trace.traceparent,
            correlationid=given.trace.correlation_id,
        )  # fmt: skip
        assert _full(json.loads(payload)) == _full(json.loads(rebuilt.model_dump_json()))


def _full(envelope: dict[str, Any]) -> dict[str, Any]:
    """Without the members that are null: the contract writes them, the quick encoding leaves some out."""
    return {
        name: _full(one) if isinstance(one, dict) else _lines(one) for name, one in envelope.items() if one is not None
    }


def _lines(value: Any) -> Any:
    return [_full(one) for one in value] if isinstance(value, list) else value


def test_only_facts_of_the_right_type_are_facts() -> None:
    facts = entry().facts
    assert facts is not None
    assert (facts.severity, facts.rating, facts.alert_id, facts.plan) == ("high", 4.0, UUID(int=7), None)
    assert facts.ends_at == datetime(2024, 1, 1, tzinfo=UTC)


def test_history_is_cut_into_chunks_that_the_contract_reads() -> None:
    entries = [entry(backfill=True) for _ in range(MAX_CHUNK_ROWS + 1)]
    rows = history_rows(entries, "EUR", AT)
    chunks = [HistoryRecorded.model_validate(Envelope.model_validate_json(row[3]).data) for row in rows]
    assert [len(chunk.rows) for chunk in chunks] == [MAX_CHUNK_ROWS, 1]
    assert {chunk.shard for chunk in chunks} == {entries[0].survivor_id.int % 12 if entries[0].survivor_id else None}
    row = chunks[0].rows[0]
    assert row.amount == Decimal("18.36")
    assert row.products == ["85123A", "é"]
    assert row.external_id is not None
    assert row.external_id.id == 'é"17850'


def test_a_chunk_stays_below_the_size_of_an_event() -> None:
    products = [{"product": f"{n:0>200}", "amount": 1} for n in range(200)]
    entries = [entry(backfill=True, lines=products) for _ in range(40)]
    rows = history_rows(entries, "EUR", AT)
    assert len(rows) > 1
    assert all(len(payload) < 1_000_000 for _, _, _, payload in rows)
