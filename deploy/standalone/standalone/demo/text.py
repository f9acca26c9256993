"""The report on a terminal."""

from rich.console import Console
from rich.table import Table

from standalone.demo.report import Report

OUTCOMES = {
    "act": "acted: sent to the partner or put on the call list",
    "hold_out": "held out: left untouched on purpose, to measure the effect",
    "suppressed": "suppressed: a gate said no",
    "deferred": "deferred: waits for the end of quiet hours or the like",
    "expired": "expired: the moment passed",
}


NO_EFFECT = (
    "nobody was really contacted: customers did what the data says they did, so no effect of acting can be measured"
)
UNJUDGED = (
    "left? says what happened in the days that followed; ? for who is not among the judged, e.g. first came later"
)


def show(report: Report, console: Console) -> None:
    """Print the whole report."""
    if not console.is_terminal:
        # A file or a pipe has no width of its own.
        console = Console(highlight=False, width=120)
    console.rule(f"[bold]{report.dataset.title}")
    count = len(report.dataset.days)
    live = f"{count} day{'s' if count != 1 else ''} live"
    console.print(f"Source: {report.dataset.source}. History until {report.dataset.cut}, then {live}.")
    for note in report.dataset.notes:
        console.print(f"  · {note}")
    _quality(report, console)
    _alerts(report, console)
    _decisions(report, console)
    _deliveries(report, console)
    _steps(report, console)


def _quality(report: Report, console: Console) -> None:
    quality = report.quality
    console.print("\n[bold]Was the model right?[/bold]")
    if quality is None:
        console.print("  Nobody could be judged: no scored customer's outcome is known.")
        return
    console.print(
        f"  {quality.count:,} customers were scored; in the {report.dataset.horizon_days} days that followed "
        f"{quality.base_rate:.1%} left (the scores said {quality.mean_probability:.1%})."
    )
    auc = "not defined" if quality.auc is None else f"{quality.auc:.3f}"
    console.print(f"  AUC {auc} (0.5 is guessing, 1 is perfect) · Brier {quality.brier:.4f}")
    console.print(f"  calibration error {quality.calibration_error:.3f} (mean gap of promise and outcome, by tenths)")
    console.print(
        f"  lift {quality.lift10:.2f}: among the tenth scored highest, leavers are that many times as frequent"
    )
    table = Table(
        "tenth", "said", "happened", "", title="Promise and outcome, by tenths of the score", title_justify="left"
    )
    widest = max(max(b.predicted, b.observed) for b in quality.bins) or 1
    for number, part in enumerate(quality.bins, 1):
        bar = "█" * round(part.observed / widest * 30)
        table.add_row(str(number), f"{part.predicted:.1%}", f"{part.observed:.1%}", bar)
    console.print(table)


def _alerts(report: Report, console: Console) -> None:
    states = ", ".join(f"{count} {state}" for state, count in report.alert_states.items())
    console.print(
        f"\n[bold]Churn alerts: {report.alert_count:,}[/bold] ({states or 'none'}). The ten most valuable that stand:"
    )
    table = Table("customer", "risk", "a year's margin", "profit of acting", "why", "left?")
    for line in report.top_alerts:
        left = {True: "yes", False: "no", None: "?"}[line.left]
        table.add_row(
            line.customer,
            f"{line.probability:.0%}",
            line.expected_margin,
            line.expected_profit,
            "\n".join(line.reasons),
            left,
        )
    console.print(table)
    console.print(f"  {UNJUDGED}\n")


def _decisions(report: Report, console: Console) -> None:
    console.print(f"[bold]Decisions: {sum(report.outcomes.values()):,}[/bold], each with every gate it passed or met")
    table = Table("outcome", "count", "meaning")
    for outcome, count in report.outcomes.items():
        table.add_row(outcome, f"{count:,}", OUTCOMES.get(outcome, ""))
    console.print(table)
    console.print(f"  {report.deferred_count:,} of them were first held back (quiet hours) and decided again later")
    console.print(f"  profit expected of the actions taken: {report.expected_profit}, after the offers' cost")
    console.print(f"  {NO_EFFECT}")
    gates = ", ".join(f"{gate} {count:,}" for gate, count in report.stopping_gates.items())
    console.print(f"  first gate that stopped it: {gates or '–'}")


def _deliveries(report: Report, console: Console) -> None:
    console.print(f"\n[bold]Webhooks at the partner: {report.received_count:,}[/bold]")
    console.print(f"  {report.verified_count:,} of them verified by the standardwebhooks library")
    for wire_name, count in report.received_types.items():
        console.print(f"  {count:,} × {wire_name}")
    console.print(
        "  deliveries: " + (", ".join(f"{count:,} {state}" for state, count in report.deliveries.items()) or "none")
    )
    for latency in report.latencies:
        console.print(f"  {latency.name}: p50 {latency.p50:.2f} s, p99 {latency.p99:.2f} s ({latency.count:,})")
    if report.found.buried:
        console.print(f"  [red]{report.found.buried} events could not be applied: GET /v1/dead-letters[/red]")


def _steps(report: Report, console: Console) -> None:
    table = Table("step", "seconds", "result", title="What each step cost", title_justify="left")
    for step in report.found.steps:
        table.add_row(step.name, f"{step.seconds:.1f}", step.said)
    table.add_row("[bold]together", f"[bold]{report.seconds:.1f}", "")
    console.print()
    console.print(table)
