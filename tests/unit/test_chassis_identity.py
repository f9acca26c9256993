"""Services believe only what the gateway signed."""

import time

import jwt
import pytest

from chassis.identity import Identity, IdentityRefused, IdentitySigner, IdentityVerifier, identity_key, sign_identity

SECRET = b"0123456789abcdef0123456789abcdef"
ANNA = Identity("key-1", frozenset({"customers:read"}), key_id="k1")


def test_a_signed_identity_comes_back_whole() -> None:
    verifier = IdentityVerifier(SECRET)
    token = sign_identity(SECRET, ANNA)
    assert verifier.verify(token) == ANNA
    assert verifier.verify(token) == ANNA


def test_admin_may_everything_and_others_only_what_they_hold() -> None:
    assert Identity("a", frozenset({"admin"})).may("customers:write")
    assert ANNA.may("customers:read")
    assert not ANNA.may("customers:write")


def test_a_token_of_another_installation_is_refused() -> None:
    with pytest.raises(IdentityRefused):
        IdentityVerifier(b"x" * 32).verify(sign_identity(SECRET, ANNA))


def test_a_token_expires_also_after_it_was_seen() -> None:
    now = [time.time()]
    verifier = IdentityVerifier(SECRET, now=lambda: now[0])
    token = sign_identity(SECRET, ANNA)
    verifier.verify(token)
    now[0] += 120
    with pytest.raises(IdentityRefused, match="expired"):
        verifier.verify(token)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody-else"},
        {"iss": "somebody-else"},
        {"exp": None},
        {"sub": None},
    ],
)
def test_a_token_with_other_claims_is_refused(claims: dict[str, str | None]) -> None:
    right = jwt.decode(sign_identity(SECRET, ANNA), options={"verify_signature": False})
    wrong = {name: value for name, value in (right | claims).items() if value is not None}
    with pytest.raises(IdentityRefused):
        IdentityVerifier(SECRET).verify(jwt.encode(wrong, identity_key(SECRET), algorithm="HS256"))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(IdentityRefused):
        IdentityVerifier(SECRET).verify(token)


def test_the_gateway_signs_once_for_many_requests() -> None:
    signer = IdentitySigner(SECRET)
    assert signer.token_for(ANNA) == signer.token_for(ANNA)
    assert IdentityVerifier(SECRET).verify(signer.token_for(ANNA)) == ANNA
