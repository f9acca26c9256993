"""How our own actions appear in a customer's timeline."""

from typing import get_args

from contracts.event import Channel

OWN_SOURCE = "stave"
_CHANNELS = frozenset(get_args(Channel))
_CHANNEL_OF_MEANS = {"webhook": "partner", "call": "phone", "call_list": "phone", "call-list": "phone", "mail": "email"}


def channel_of(means: str) -> str:
    """The interaction channel of a means of delivery; what goes to another system goes over the partner channel."""
    return means if means in _CHANNELS else _CHANNEL_OF_MEANS.get(means, "partner")
