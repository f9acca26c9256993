"""The report's figures, from what was found; `text` and `page` show them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from standalone.demo.client import Body
from standalone.demo.dataset import Dataset
from standalone.demo.flow import Findings
from standalone.demo.quality import Quality, judge
from standalone.demo.receiver import Receiver


@dataclass(frozen=True)
class AlertLine:
    """One alert in words."""

    customer: str
    probability: float
    expected_margin: str
    expected_profit: str
    profit: float
    state: str
    reasons: tuple[str, ...]
    left: bool | None


@dataclass(frozen=True)
class Latency:
    """Seconds, over `count` arrivals."""

    name: str
    count: int
    p50: float
    p99: float


@dataclass(frozen=True)
class Report:
    """What a person is told at the end."""

    dataset: Dataset
    found: Findings
    quality: Quality | None
    alert_count: int
    alert_states: dict[str, int]
    top_alerts: tuple[AlertLine, ...]
    outcomes: dict[str, int]
    stopping_gates: dict[str, int]
    deferred_count: int
    expected_profit: str
    received_types: dict[str, int]
    received_count: int
    verified_count: int
    deliveries: dict[str, int]
    latencies: tuple[Latency, ...]

    @property
    def seconds(self) -> float:
        """What all steps took together."""
        return sum(step.seconds for step in self.found.steps)


def make_report(dataset: Dataset, found: Findings, receiver: Receiver) -> Report:
    """Work the figures out."""
    arrivals = list(receiver.arrivals)
    # A cleared alert shows what is believed since; the ones that matter are those that still stand.
    standing = [alert for alert in found.alerts if alert["state"] != "cleared"]
    # A deferred decision that a later one has resolved says no more than the later one.
    final = [decision for decision in found.decisions if not decision.get("resolved_by")]
    acted = sum(_amount(decision["expected_profit"]) for decision in final if decision["outcome"] == "act")
    best = sorted(standing, key=lambda alert: -_amount(alert["expected_profit"]))
    return Report(
        dataset=dataset,
        found=found,
        quality=_quality(dataset, found),
        alert_count=len(found.alerts),
        alert_states=dict(Counter(alert["state"] for alert in found.alerts).most_common()),
        top_alerts=tuple(_line(alert, dataset, found) for alert in best[:10]),
        outcomes=dict(Counter(decision["outcome"] for decision in final).most_common()),
        stopping_gates=dict(Counter(_stopping_gate(decision) for decision in final).most_common()),
        deferred_count=len(found.decisions) - len(final),
        expected_profit=f"{acted:,.2f} {dataset.currency}",
        received_types=dict(Counter(arrival.body["type"] for arrival in arrivals).most_common()),
        received_count=len(arrivals),
        verified_count=sum(arrival.verified for arrival in arrivals),
        deliveries=dict(Counter(delivery["state"] for delivery in found.deliveries).most_common()),
        latencies=_latencies(found, arrivals),
    )


def _quality(dataset: Dataset, found: Findings) -> Quality | None:
    external = found.customers
    pairs = [
        (float(score["churn"]["probability"]), dataset.left[external[customer_id]])
        for customer_id, score in found.scores.items()
        if external.get(customer_id) in dataset.left
    ]
    return judge(pairs) if pairs else None


def _amount(money: Body | None) -> float:
    return float(money["amount"]) if money else 0.0


def _money(money: Body | None) -> str:
    return f"{_amount(money):,.2f} {money['currency']}" if money else "–"


def _line(alert: Body, dataset: Dataset, found: Findings) -> AlertLine:
    external_id = found.customers.get(alert["customer_id"], str(alert["customer_id"]))
    return AlertLine(
        customer=external_id,
        probability=alert["probability"],
        expected_margin=_money(alert["expected_margin"]),
        expected_profit=_money(alert["expected_profit"]),
        profit=_amount(alert["expected_profit"]),
        state=alert["state"],
        reasons=tuple(reason["text"] for reason in alert["reasons"][:3]),
        left=dataset.left.get(external_id),
    )


def _stopping_gate(decision: Body) -> str:
    stopped = next((gate["gate"] for gate in decision["gates"] if not gate["passed"]), None)
    return stopped or "none: acted"


def _latencies(found: Findings, arrivals: list[Any]) -> tuple[Latency, ...]:
    event = [arrival.seconds_after_event for arrival in arrivals]
    loop = [
        (arrival.at - found.posted_at[arrival.body["correlationid"]]).total_seconds()
        for arrival in arrivals
        if arrival.body.get("correlationid") in found.posted_at
    ]
    named = (("event published to webhook received", event), ("day's interactions posted to webhook received", loop))
    return tuple(
        Latency(name, len(values), _rank(values, 0.5), _rank(values, 0.99)) for name, values in named if values
    )


def _rank(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
