"""Why a probability is what it is, in plain words with the customer's own numbers.

Base plus the effects of all reasons is the log-odds of the shown probability: nothing is left out, small effects
are put together.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.event import Reason, ReasonCode
from scoring.domain.features import FEATURE_NAMES, FEATURES, Feature

Floats = NDArray[np.float64]
SHOWN_ATTRIBUTE_COUNT = 8
_CODES: tuple[ReasonCode, ...] = tuple(dict.fromkeys(feature.reason for feature in FEATURES))
_MEMBERS: dict[ReasonCode, list[int]] = {
    code: [index for index, feature in enumerate(FEATURES) if feature.reason == code] for code in _CODES
}


def behaviour_reasons(features: Floats, effects: Floats) -> list[Reason]:
    """The reasons of one customer, most alarming first: one per code, told by the feature that weighs most in it.

    The features of one code (say, silence in days and in usual gaps) move together, so their effects are added.
    """
    numbers = dict(zip(FEATURE_NAMES, features.tolist(), strict=True))
    found = [_behaviour_reason(code, numbers, effects) for code in _CODES if np.any(effects[_MEMBERS[code]])]
    return sorted(found, key=lambda reason: -reason.effect)


def words(feature: Feature, numbers: Mapping[str, float]) -> str:
    """The feature's text with the customer's numbers, or its plain form where one of them is missing."""
    told = {name: value for name, value in numbers.items() if math.isfinite(value)}
    for template in (feature.text, feature.plain):
        try:
            return template.format_map(told)
        except KeyError:
            continue
    return "no purchase yet"


def _behaviour_reason(code: ReasonCode, numbers: Mapping[str, float], effects: Floats) -> Reason:
    members = _MEMBERS[code]
    effect = float(effects[members].sum())
    leader = max(members, key=lambda index: float(effects[index]) * (1 if effect >= 0 else -1))
    feature = FEATURES[leader]
    value = numbers[feature.name]
    return Reason(
        code=code, feature=feature.name, value=value if math.isfinite(value) else None, effect=effect,
        text=words(feature, numbers),
    )  # fmt: skip


def attribute_reasons(
    attributes: Mapping[str, object], names: Sequence[str], effects: Floats, *, codes: Sequence[ReasonCode]
) -> list[Reason]:
    """The reasons of one customer from attributes, most alarming first; small effects are put together as the last."""
    order = np.argsort(-np.abs(effects), kind="stable")
    shown = [int(index) for index in order[:SHOWN_ATTRIBUTE_COUNT] if effects[index] != 0.0]
    found = [
        Reason(
            code=codes[index], feature=names[index], value=_plain(attributes.get(names[index])),
            effect=float(effects[index]), text=_attribute_words(names[index], attributes.get(names[index])),
        )
        for index in shown
    ]  # fmt: skip
    found.sort(key=lambda reason: -reason.effect)
    rest = float(effects[order[SHOWN_ATTRIBUTE_COUNT:]].sum())
    if rest:
        text = "all other attributes together"
        found.append(Reason(code="other", feature="other_attributes", value=None, effect=rest, text=text))
    return found


def _plain(value: object) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _attribute_words(name: str, value: object) -> str:
    plain = _plain(value)
    if plain is None or plain == "":
        return f"{name} is not known"
    return f"{name} is {plain:g}" if isinstance(plain, float) else f"{name} is {plain}"
