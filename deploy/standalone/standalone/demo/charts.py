"""Small charts as SVG. Colours come from the page's style, so that they follow light and dark."""

from collections.abc import Sequence
from html import escape

Point = tuple[float, float]
_SIDE, _PAD = 300, 44


def _frame(body: str, *, width: int, height: int, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{body}</svg>'
    )


def _square(lines: str, *, title: str, x: str, y: str, top: float) -> str:
    """A square plot with both axes from 0 to `top`."""
    ticks = "".join(_tick(share, f"{share * top:.0%}") for share in (0, 0.5, 1))
    inner = _SIDE - _PAD - 22
    words = (
        f'<text class="axis" x="{_PAD + inner / 2}" y="{_SIDE - 2}" text-anchor="middle">{escape(x)}</text>'
        f'<text class="axis" transform="translate(11 {12 + inner / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y)}</text>"
    )
    return _frame(ticks + lines + words, width=_SIDE, height=_SIDE, title=title)


def _tick(share: float, label: str) -> str:
    inner = _SIDE - _PAD - 22
    height, along = 12 + inner * (1 - share), _PAD + inner * share
    return (
        f'<text class="tick" x="{_PAD - 6}" y="{height + 4}" text-anchor="end">{label}</text>'
        f'<text class="tick" x="{along}" y="{12 + inner + 16}" text-anchor="middle">{label}</text>'
        f'<line class="grid" x1="{_PAD}" x2="{_PAD + inner}" y1="{height}" y2="{height}"/>'
    )


def _dot(point: Point, top: float) -> str:
    x, y = _place(point, top).split(",")
    told = f"said {point[0]:.1%}, happened {point[1]:.1%}"
    return f'<circle class="dot" r="4" cx="{x}" cy="{y}"><title>{told}</title></circle>'


def _place(point: Point, top: float) -> str:
    inner = _SIDE - _PAD - 22
    return f"{_PAD + inner * point[0] / top:.1f},{12 + inner * (1 - point[1] / top):.1f}"


def calibration(points: Sequence[Point]) -> str:
    """What was said against what happened; on the diagonal the two agree."""
    top = max(0.1, *(max(point) for point in points))
    diagonal = f'<polyline class="reference" points="{_place((0, 0), top)} {_place((top, top), top)}"/>'
    dots = "".join(_dot(point, top) for point in points)
    line = f'<polyline class="line" points="{" ".join(_place(point, top) for point in points)}"/>'
    return _square(diagonal + line + dots, title="Calibration", x="probability said", y="share that left", top=top)


def gain(points: Sequence[Point]) -> str:
    """Share of leavers found against share of customers looked at, from the highest score down."""
    diagonal = f'<polyline class="reference" points="{_place((0, 0), 1)} {_place((1, 1), 1)}"/>'
    line = f'<polyline class="line" points="{" ".join(_place(point, 1) for point in points)}"/>'
    return _square(diagonal + line, title="Gain", x="customers, highest score first", y="leavers found", top=1)


def bars(values: Sequence[tuple[str, float]], *, unit: str = "") -> str:
    """Named lengths, one below the other."""
    widest = max((value for _, value in values), default=0) or 1
    rows = "".join(
        f'<text class="name" x="238" y="{n * 26 + 17}" text-anchor="end">{escape(name)}</text>'
        f'<rect class="bar" x="246" y="{n * 26 + 4}" height="17" width="{max(1.0, value / widest * 250):.1f}" rx="2"/>'
        f'<text class="tick" x="{252 + value / widest * 250:.1f}" y="{n * 26 + 17}">{value:,g}{unit}</text>'
        for n, (name, value) in enumerate(values)
    )
    return _frame(rows, width=570, height=max(30, len(values) * 26 + 4), title="Bars")


def columns(days: Sequence[tuple[str, int, int]]) -> str:
    """Two series by day: what came in (columns) and what went out (a line), each on a scale of its own."""
    if not days:
        return ""
    width, height, step = 900, 200, 900 / len(days)
    most_in, most_out = max(day[1] for day in days) or 1, max(day[2] for day in days) or 1
    body = "".join(
        f'<rect class="bar faint" x="{n * step + 1:.1f}" width="{max(1.0, step - 2):.1f}" '
        f'y="{170 - count / most_in * 150:.1f}" height="{count / most_in * 150:.1f}">'
        f"<title>{name}: {count:,} interactions, {out:,} webhooks</title></rect>"
        for n, (name, count, out) in enumerate(days)
    )
    line = " ".join(f"{(n + 0.5) * step:.1f},{170 - out / most_out * 150:.1f}" for n, (_, _, out) in enumerate(days))
    every = max(1, len(days) // 7)
    names = "".join(
        f'<text class="tick" x="{n * step + 2:.1f}" y="188">{name}</text>'
        for n, (name, _, _) in enumerate(days)
        if n % every == 0
    )
    legend = (
        f'<text class="tick" x="0" y="12">columns: interactions, up to {most_in:,} a day; '
        f"line: webhooks at the partner, up to {most_out:,} a day</text>"
    )
    return _frame(
        f'{body}<polyline class="line" points="{line}"/>{names}{legend}', width=width, height=height, title="Days"
    )
