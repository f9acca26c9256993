"""What an import is told: which column means what, and what holds for the whole file."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class InteractionImport:
    """How to read a file of interactions.

    `columns` maps fields (`source_id`, `customer`, `occurred_at`, `lines.product`, `properties.NAME` …) to columns;
    what it does not name is recognised by obvious column names. `constants` hold for every row. History unless `live`.
    """

    source: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    time_zone: str | None = None
    time_format: str | None = None
    decimal_comma: bool = False
    number_rows: bool = False
    live: bool = False


@dataclass(frozen=True)
class CustomerImport:
    """How to read a file of customers; `columns` as for interactions, `attributes.*` = `*` for all that are left."""

    source: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Progress:
    """How far an import has come; `share` of the file read, 0..1."""

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    share: float = 0.0
