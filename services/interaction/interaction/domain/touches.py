"""How our own actions appear in a customer's timeline."""

from typing import cast, get_args

from contracts.event import Channel

OWN_SOURCE = "stave"
_CHANNELS = frozenset(get_args(Channel))
_CHANNEL_OF_MEANS: dict[str, Channel] = {
    "webhook": "partner",
    "call": "phone",
    "call_list": "phone",
    "call-list": "phone",
    "mail": "email",
}


def channel_of(means: str) -> Channel:
    """The interaction channel of a means of delivery; what goes to another system goes over the partner channel."""
    return cast(Channel, means) if means in _CHANNELS else _CHANNEL_OF_MEANS.get(means, "partner")
