"""Additive models: log-odds = base + one function per feature. So a reason is exact, and serving is a table lookup.

Every function is piecewise linear with jumps, which holds spline terms, boosted trees that split on one feature a tree,
and effects of categories (coded 0, 1, 2 …) in one form. A missing value has an effect of its own.
Form: Hastie & Tibshirani, Generalized Additive Models (1990); Lou, Caruana & Gehrke, KDD 2012.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """The effect of one feature: in the interval below each edge, value + slope × (x - anchor); `missing` for NaN.

    An x equal to an edge belongs to the interval on its left. There is one interval more than there are edges.
    """

    edges: Floats
    values: Floats
    slopes: Floats
    anchors: Floats
    missing: float

    def __call__(self, x: Floats) -> Floats:
        """The effects of values of the feature."""
        interval = np.searchsorted(self.edges, x, side="left")
        effect = self.values[interval] + self.slopes[interval] * (x - self.anchors[interval])
        return np.where(np.isnan(x), self.missing, effect)


@dataclass(frozen=True, slots=True)
class AdditiveModel:
    """A base and one shape per feature, in the order of `names`."""

    names: tuple[str, ...]
    base: float
    shapes: tuple[Shape, ...]

    def effects(self, features: Floats) -> Floats:
        """(rows, features) effects in log-odds; infinite values count as the largest known."""
        table = np.empty_like(features, dtype=np.float64)
        bounded = np.clip(features, -1e300, 1e300)
        for index, shape in enumerate(self.shapes):
            table[:, index] = shape(bounded[:, index])
        return table

    def log_odds(self, features: Floats) -> Floats:
        """Base plus all effects, a value a row; a row's value does not depend on the rows around it."""
        total = np.full(len(features), self.base)
        for effect in self.effects(features).T:
            total += effect
        return total

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Plain arrays: the shapes one after the other, with the number of edges of each."""
        return {
            "names": np.array(self.names, dtype=np.str_),
            "base": np.array(self.base),
            "edge_counts": np.array([len(shape.edges) for shape in self.shapes], np.int64),
            "missing": np.array([shape.missing for shape in self.shapes]),
            "edges": _joined([shape.edges for shape in self.shapes]),
            "values": _joined([shape.values for shape in self.shapes]),
            "slopes": _joined([shape.slopes for shape in self.shapes]),
            "anchors": _joined([shape.anchors for shape in self.shapes]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The inverse of `to_arrays`."""
        counts = arrays["edge_counts"]
        edges = np.split(arrays["edges"], np.cumsum(counts)[:-1])
        cuts = np.cumsum(counts + 1)[:-1]
        values, slopes, anchors = (np.split(arrays[part], cuts) for part in ("values", "slopes", "anchors"))
        missing = arrays["missing"].tolist()
        shapes = tuple(Shape(*parts) for parts in zip(edges, values, slopes, anchors, missing, strict=True))
        return cls(tuple(arrays["names"].tolist()), float(arrays["base"]), shapes)


def flat(value: float = 0.0) -> Shape:
    """A feature without effect (or with the same for all)."""
    one = np.zeros(1)
    return Shape(np.zeros(0), one + value, one, one, value)


def steps(edges: Sequence[float] | Floats, values: Sequence[float] | Floats, *, missing: float = 0.0) -> Shape:
    """A constant per interval: values[i] up to and with edges[i]; values[-1] above the last."""
    # A tree that only asks "missing or not" splits at infinity; nothing lies beyond.
    finite = np.asarray([edge for edge in edges if np.isfinite(edge)], np.float64)
    constants = np.asarray(values, np.float64)[: len(finite) + 1]
    return Shape(finite, constants, np.zeros(len(constants)), np.zeros(len(constants)), missing)


def line(knots: Sequence[float] | Floats, values: Sequence[float] | Floats, *, missing: float = 0.0) -> Shape:
    """Linear between increasing knots and constant beyond the outer ones, as numpy.interp."""
    x, y = np.asarray(knots, np.float64), np.asarray(values, np.float64)
    slopes = np.concatenate([[0.0], np.diff(y) / np.diff(x), [0.0]])
    return Shape(x, np.concatenate([y[:1], y[:-1], y[-1:]]), slopes, np.concatenate([x[:1], x[:-1], x[-1:]]), missing)


def blend(parts: Sequence[tuple[float, Shape]]) -> Shape:
    """The weighted sum of shapes, exact, over the union of their edges."""
    edges = np.unique(np.concatenate([shape.edges for _, shape in parts]))
    # A point inside each interval tells which interval of each part it lies in.
    anchors = np.concatenate([edges[:1], edges]) if edges.size else np.zeros(1)
    values, slopes = np.zeros(len(anchors)), np.zeros(len(anchors))
    for weight, shape in parts:
        interval = np.concatenate([
            np.searchsorted(shape.edges, edges, side="left"), [len(shape.edges)]
        ])  # fmt: skip
        values += weight * (shape.values[interval] + shape.slopes[interval] * (anchors - shape.anchors[interval]))
        slopes += weight * shape.slopes[interval]
    return Shape(edges, values, slopes, anchors, sum(weight * shape.missing for weight, shape in parts))


def shifted(shape: Shape, offset: float) -> Shape:
    """The same shape, higher by `offset` everywhere."""
    return Shape(shape.edges, shape.values + offset, shape.slopes, shape.anchors, shape.missing + offset)


def probability_of(log_odds: Floats) -> Floats:
    """The logistic function, without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0)))


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate([np.zeros(0), *parts])
