"""The report as one HTML page that needs no network: text, tables and charts drawn as SVG."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from standalone.demo import charts
from standalone.demo.report import Report
from standalone.demo.text import NO_EFFECT, OUTCOMES, UNJUDGED


def write_page(report: Report, path: Path) -> None:
    """Write the page, replacing an earlier one."""
    loader = PackageLoader("standalone.demo", "templates")
    environment = Environment(loader=loader, autoescape=select_autoescape(default=True), trim_blocks=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        environment.get_template("report.html").render(
            report=report, outcomes=OUTCOMES, no_effect=NO_EFFECT, unjudged=UNJUDGED, **_charts(report)
        )
    )


def _charts(report: Report) -> dict[str, Markup]:
    quality = report.quality
    drawn = {
        "decisions_chart": charts.bars(list(report.outcomes.items())),
        "gates_chart": charts.bars(list(report.stopping_gates.items())),
        "days_chart": charts.columns([(day.day[5:], day.interactions, day.webhooks) for day in report.found.days]),
        "steps_chart": charts.bars([(step.name, round(step.seconds, 1)) for step in report.found.steps], unit=" s"),
    }
    if quality is not None:
        drawn["calibration_chart"] = charts.calibration([(part.predicted, part.observed) for part in quality.bins])
        drawn["gain_chart"] = charts.gain(list(quality.gain))
    # Drawn by us, their texts escaped.
    return {name: Markup(drawing) for name, drawing in drawn.items()}
