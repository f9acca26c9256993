"""How good the scores at the cut were, judged by what followed: computed here, from the API's answers alone."""

from dataclasses import dataclass
from itertools import groupby, pairwise

BIN_COUNT = 10


@dataclass(frozen=True)
class Bin:
    """One tenth of the customers, by score."""

    predicted: float
    observed: float
    count: int


@dataclass(frozen=True)
class Quality:
    """`auc` is None when only one outcome occurred; `lift10` is the event rate of the top tenth over the base rate."""

    count: int
    base_rate: float
    mean_probability: float
    auc: float | None
    brier: float
    calibration_error: float
    lift10: float
    bins: tuple[Bin, ...]
    gain: tuple[tuple[float, float], ...]


def judge(pairs: list[tuple[float, bool]]) -> Quality:
    """Judge (probability, left) pairs; raises ValueError when there is none."""
    if not pairs:
        raise ValueError("nobody to judge")
    ranked = sorted(pairs, key=lambda pair: -pair[0])
    count, events = len(ranked), sum(left for _, left in ranked)
    rate = events / count
    bins = _bins(ranked)
    top = ranked[: max(1, round(count / 10))]
    return Quality(
        count=count,
        base_rate=rate,
        mean_probability=sum(p for p, _ in ranked) / count,
        auc=_auc(ranked, events),
        brier=sum((p - left) ** 2 for p, left in ranked) / count,
        calibration_error=sum(abs(b.observed - b.predicted) * b.count for b in bins) / count,
        lift10=sum(left for _, left in top) / len(top) / rate if rate else 0.0,
        bins=bins,
        gain=_gain(ranked, events),
    )


def _auc(ranked: list[tuple[float, bool]], events: int) -> float | None:
    """The Mann-Whitney statistic; ties count half."""
    others = len(ranked) - events
    if not events or not others:
        return None
    above, won = 0, 0.0
    for _, group in groupby(reversed(ranked), key=lambda pair: pair[0]):
        labels = [left for _, left in group]
        hits = sum(labels)
        misses = len(labels) - hits
        won += hits * (above + misses / 2)
        above += misses
    return won / (events * others)


def _bins(ranked: list[tuple[float, bool]]) -> tuple[Bin, ...]:
    """Equal-count bins, lowest score first."""
    ordered = ranked[::-1]
    edges = [round(len(ordered) * n / BIN_COUNT) for n in range(BIN_COUNT + 1)]
    parts = [ordered[start:end] for start, end in pairwise(edges) if end > start]
    return tuple(
        Bin(sum(p for p, _ in part) / len(part), sum(left for _, left in part) / len(part), len(part)) for part in parts
    )


def _gain(ranked: list[tuple[float, bool]], events: int) -> tuple[tuple[float, float], ...]:
    """(share of customers addressed, share of leavers among them), from the highest score down."""
    points, found = [(0.0, 0.0)], 0
    step = max(1, len(ranked) // 100)
    for n, (_, left) in enumerate(ranked, 1):
        found += left
        if n % step == 0 or n == len(ranked):
            points.append((n / len(ranked), found / events if events else 0.0))
    return tuple(points)
