"""What a text column cannot hold is refused before anything is done."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import UnstorableValue
from chassis.strict_body import refuse_unstorable


@pytest.mark.parametrize(
    "body",
    [rb'"\u0000"', rb'"\\\u0000"', rb'"\ud800"', rb'"\uDC00"', rb'"\ud83d\ud83d\ude00"', rb'"\ud83d\\\ude00"'],
)
def test_null_characters_and_lone_surrogates_are_refused(body: bytes) -> None:
    with pytest.raises(UnstorableValue):
        refuse_unstorable(body)


@pytest.mark.parametrize("body", [rb'"\ud83d\ude00"', rb'"\\u0000"', rb'"\\ud800"', rb'"\u00e9 \uFFFD"', b"{}"])
def test_what_only_looks_like_them_passes(body: bytes) -> None:
    refuse_unstorable(body)


@given(st.text(alphabet=st.sampled_from('\\ud8d00a0\x00\ud83d\ude00"x'), max_size=12))
def test_a_body_is_refused_exactly_when_its_text_cannot_be_encoded_or_holds_null(text: str) -> None:
    body = json.dumps(text).encode()
    # Two escapes that make a pair are one character, as json.loads reads them.
    read = json.loads(body)
    storable = "\0" not in read and not any(0xD800 <= ord(character) < 0xE000 for character in read)
    try:
        refuse_unstorable(body)
        passed = True
    except UnstorableValue:
        passed = False
    assert passed == storable
