"""Customer attributes (numbers, texts, booleans, blanks) as columns of numbers a model can read.

A category is coded by its place in the list of known ones; a blank, an unknown category and a text where a number
belongs are all NaN: the model has an effect for "missing", so every row can be scored.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contracts.event import ReasonCode

Floats = NDArray[np.float64]
Attributes = Mapping[str, object]
# Plain field words; the first hit decides. Whatever says none of them is "other".
_WORDS_OF_CODE: tuple[tuple[ReasonCode, frozenset[str]], ...] = (
    ("late_payment", frozenset({"late", "overdue", "arrears", "unpaid"})),
    ("complaint", frozenset({"complaint", "complaints", "ticket", "tickets", "dissatisfaction"})),
    ("contract_end", frozenset({"contract", "renewal", "commitment"})),
    ("new_customer", frozenset({"tenure", "seniority"})),
    ("price", frozenset({"charge", "charges", "price", "fee", "fees", "tariff", "cost", "discount"})),
    ("returns", frozenset({"return", "returns", "returned"})),
    ("low_usage", frozenset({"usage", "use", "minutes", "calls", "logins", "sessions"})),
)


@dataclass(frozen=True, slots=True)
class AttributeSpace:
    """The columns a model knows; `categories[i]` is empty for a number."""

    names: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]

    def encode(self, rows: Sequence[Attributes]) -> Floats:
        """(rows, columns) numbers."""
        matrix = np.full((len(rows), len(self.names)), np.nan)
        for column, (name, known) in enumerate(zip(self.names, self.categories, strict=True)):
            code_of = {category: float(code) for code, category in enumerate(known)}
            for index, row in enumerate(rows):
                value = row.get(name)
                matrix[index, column] = code_of.get(category_of(value) or "", np.nan) if known else number_of(value)
        return matrix

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Plain arrays, as they are stored in a model."""
        return {
            "attribute_names": np.array(self.names, np.str_),
            "category_counts": np.array([len(known) for known in self.categories], np.int64),
            "categories": np.array([category for known in self.categories for category in known], np.str_),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The inverse of `to_arrays`."""
        names: list[str] = arrays["attribute_names"].tolist()
        counts: list[int] = arrays["category_counts"].tolist()
        flat: list[str] = arrays["categories"].tolist()
        ends = np.cumsum(counts).tolist()
        return cls(tuple(names), tuple(tuple(flat[end - n : end]) for n, end in zip(counts, ends, strict=True)))


def number_of(value: object) -> float:
    """A finite number, also from its text; NaN for all else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return math.nan
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return math.nan


def category_of(value: object) -> str | None:
    """A category's text; None for a blank."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return (f"{value:g}" if isinstance(value, int | float) else str(value).strip()) or None


def reason_code_of(attribute: str) -> ReasonCode:
    """The reason an attribute's name speaks of, by plain field words only."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", attribute)
    spoken = set(re.findall(r"[a-z]+", spaced.lower()))
    return next((code for code, wanted in _WORDS_OF_CODE if wanted & spoken), "other")
