"""The demonstration's report: figures that can be checked by hand, charts that cannot be broken by a name."""

import base64
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from standalone.demo import charts
from standalone.demo.client import Body
from standalone.demo.dataset import Dataset, LiveDay, consents_of
from standalone.demo.flow import Findings, Step
from standalone.demo.page import write_page
from standalone.demo.quality import judge
from standalone.demo.receiver import Receiver
from standalone.demo.report import make_report
from standalone.demo.text import show


def dataset(left: dict[str, bool], days: list[LiveDay] | None = None) -> Dataset:
    return Dataset(
        key="test", title="A <small> shop", source="nowhere", source_name="shop", currency="EUR", contractual=False,
        cut=date(2026, 1, 1), horizon_days=30, customers=[], histories=[], days=days or [], left=left, notes=["a note"],
    )  # fmt: skip


def score(customer_id: str, probability: float) -> Body:
    return {"customer_id": customer_id, "churn": {"probability": probability}}


def alert(customer_id: str, profit: str, state: str = "open") -> Body:
    return {
        "customer_id": customer_id, "probability": 0.4, "state": state, "reasons": [{"text": "silent for 73 days"}],
        "expected_margin": {"amount": "100.00", "currency": "EUR"},
        "expected_profit": {"amount": profit, "currency": "EUR"},
    }  # fmt: skip


def findings() -> Findings:
    found = Findings(steps=[Step("import", 1.5, "2 customers")])
    found.customers = {"id-1": "one", "id-2": "two"}
    found.scores = {"id-1": score("id-1", 0.9), "id-2": score("id-2", 0.1)}
    found.alerts = [alert("id-2", "5.00"), alert("id-1", "50.00"), alert("id-1", "99.00", "cleared")]
    gates = [{"gate": "consent", "passed": True}, {"gate": "hold_out", "passed": False}]
    profit = {"amount": "7.50", "currency": "EUR"}
    found.decisions = [
        {"outcome": "hold_out", "gates": gates, "expected_profit": profit, "resolved_by": None},
        {"outcome": "deferred", "gates": gates, "expected_profit": profit, "resolved_by": "another"},
        {"outcome": "act", "gates": gates[:1], "expected_profit": profit, "resolved_by": None},
    ]
    return found


class Partner:
    arrivals: list[Any] = []


def test_a_perfect_ranking_has_an_auc_of_one_and_a_random_one_of_a_half() -> None:
    assert judge([(0.9, True), (0.8, True), (0.2, False), (0.1, False)]).auc == 1.0
    assert judge([(0.1, True), (0.9, False)]).auc == 0.0
    assert judge([(0.5, True), (0.5, False), (0.5, True), (0.5, False)]).auc == 0.5


def test_one_outcome_alone_has_no_auc() -> None:
    assert judge([(0.3, False), (0.6, False)]).auc is None
    with pytest.raises(ValueError, match="nobody"):
        judge([])


def test_lift_compares_the_top_tenth_with_everybody() -> None:
    pairs = [(1 - n / 100, n < 10) for n in range(100)]
    assert judge(pairs).lift10 == pytest.approx(10.0)


def test_calibration_is_the_gap_between_promise_and_outcome() -> None:
    quality = judge([(0.25, n % 4 == 0) for n in range(40)])
    assert quality.calibration_error < 0.1
    assert judge([(0.9, False)] * 40).calibration_error == pytest.approx(0.9)


def test_the_report_ranks_standing_alerts_by_profit_and_names_the_gate_that_stopped() -> None:
    report = make_report(dataset({"one": True, "two": False}), findings(), Partner())  # type: ignore[arg-type]
    assert [line.customer for line in report.top_alerts] == ["one", "two"]
    assert report.top_alerts[0].left is True
    assert report.stopping_gates == {"hold_out": 1, "none: acted": 1}
    assert (report.deferred_count, report.expected_profit) == (1, "7.50 EUR")
    assert report.quality is not None
    assert report.quality.auc == 1.0


def test_the_page_and_the_text_tell_the_same_and_escape_names(tmp_path: Path) -> None:
    report = make_report(dataset({"one": True, "two": False}), findings(), Partner())  # type: ignore[arg-type]
    write_page(report, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "A &lt;small&gt; shop" in page
    assert "A <small> shop" not in page
    assert "silent for 73 days" in page
    console = Console(record=True, width=120, force_terminal=True)
    show(report, console)
    assert "silent for 73 days" in console.export_text()


def test_charts_survive_nothing_and_strange_names() -> None:
    assert "<svg" in charts.bars([])
    assert "&lt;b&gt;" in charts.bars([("<b>", 1)])
    assert charts.columns([]) == ""


def test_invented_consents_are_the_same_in_every_run() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert consents_of("shop", "7", at) == consents_of("shop", "7", at)
    granted = sum(consents_of("shop", str(n), at)[0]["state"] == "granted" for n in range(1000))
    assert 650 < granted < 750


def test_a_day_is_told_in_parts_and_nothing_is_told_twice() -> None:
    hours = [f"2026-01-01T{hour:02d}:30:00+00:00" for hour in range(24)]
    day = LiveDay(date(2026, 1, 1), [{"occurred_at": at} for at in hours])
    told = [body["occurred_at"] for _, bodies in day.parts() for body in bodies]
    assert told == hours
    assert all(body["occurred_at"] <= until.isoformat() for until, bodies in day.parts() for body in bodies)


def test_the_receiver_accepts_signed_requests_only() -> None:
    from standardwebhooks.webhooks import Webhook

    receiver = Receiver()
    try:
        receiver.secret = f"whsec_{base64.b64encode(b'x' * 32).decode()}"
        body = json.dumps({"time": "2026-01-01T00:00:00Z"}).encode()
        at = datetime.now(UTC)
        signature = Webhook(receiver.secret).sign("event-1", at, body.decode())
        headers = {
            "Webhook-Id": "event-1",
            "Webhook-Timestamp": str(int(at.timestamp())),
            "Webhook-Signature": signature,
        }
        assert receiver.take(body, headers)
        assert not receiver.take(body + b" ", headers)
        assert [arrival.verified for arrival in receiver.arrivals] == [True, False]
    finally:
        receiver.close()
