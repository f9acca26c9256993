"""A bulk body cut into its items, so that each can be judged alone."""

import msgspec

from interaction.errors import BatchTooLarge, MalformedInteraction

MAX_ITEMS = 5_000
MAX_BATCH_BYTES = 32_000_000

_array = msgspec.json.Decoder(list[msgspec.Raw])


def split(body: bytes, content_type: str) -> list[bytes]:
    """The items of a JSON array, or the lines of NDJSON. Raises BatchTooLarge or MalformedInteraction."""
    if "ndjson" in content_type or "jsonl" in content_type or body.lstrip()[:1] != b"[":
        items = [line for line in body.splitlines() if line and not line.isspace()]
    else:
        items = _items_of(body)
    if len(items) > MAX_ITEMS:
        raise BatchTooLarge(f"It has {len(items):,} items; at most {MAX_ITEMS:,} are accepted at once.")
    return items


def _items_of(body: bytes) -> list[bytes]:
    try:
        return [bytes(item) for item in _array.decode(body)]
    except msgspec.DecodeError as error:
        raise MalformedInteraction(str(error)) from error
