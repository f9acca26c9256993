"""The one form in which identifiers are compared."""

from datetime import UTC, datetime, timedelta

import pytest
from email_validator import EmailNotValidError, validate_email

from customer import normal_forms
from customer.domain.consents import Consent, Statement, is_from_the_future, time_of
from customer.domain.masking import masked

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "address",
    ["Ann@Example.COM", "a.b+c@sub.example.org", "ünï@exämple.com", "a@b", "a..b@example.com", ".a@example.com",
     "a b@example.com", "a@-example.com", "@example.com", "a@", "a@b@example.com", "x" * 65 + "@example.com",
     '"q"@example.com', "a@localhost", "a@1.2.3.4", "a'b@example.com", "a@example.invalid"],
)  # fmt: skip
def test_the_quick_way_to_read_an_address_agrees_with_the_thorough_one(address: str) -> None:
    try:
        expected = validate_email(address, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError:
        with pytest.raises(ValueError, match="no e-mail address"):
            normal_forms.email(address)
    else:
        assert normal_forms.email(address) == expected


def test_an_error_does_not_quote_the_address() -> None:
    with pytest.raises(ValueError, match="no e-mail address") as caught:
        normal_forms.email("secret person@example.com")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "country"), [("+44 20 7183 8750", None), ("020 7183 8750", "GB"), ("0044 20 71838750", "GB")]
)
def test_numbers_are_compared_in_e164(number: str, country: str | None) -> None:
    assert normal_forms.phone(number, country=country) == "+442071838750"


@pytest.mark.parametrize("number", ["020 7183 8750", "12", "call me", "+0", "+44" + "1" * 30])
def test_what_is_no_number_anywhere_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="no phone number"):
        normal_forms.phone(number, country=None)


@pytest.mark.parametrize("value", ["0", "10", "00a", "7590-VHVEG", "17850", "-", "Nullarbor"])
def test_ordinary_ids_are_not_blocked(value: str) -> None:
    assert normal_forms.external_id(value) == value


def test_a_statement_made_now_is_never_older_than_what_is_in_force() -> None:
    said = Statement("email", "marketing", "revoked", "api")
    in_force = Consent("granted", NOW + timedelta(days=1))
    assert time_of(said, in_force, now=NOW) == in_force.at
    assert time_of(said, None, now=NOW) == NOW


def test_a_minute_ahead_is_a_matter_of_clocks_an_hour_is_the_future() -> None:
    assert not is_from_the_future(NOW + timedelta(minutes=1), now=NOW)
    assert is_from_the_future(NOW + timedelta(hours=1), now=NOW)
    assert not is_from_the_future(None, now=NOW)


def test_masking_leaves_enough_to_tell_that_something_is_there() -> None:
    shown = masked(
        {
            "name": "Ann",
            "emails": ["ann@example.com"],
            "phones": ["+442071838750"],
            "attributes": {"income": 1, "x": 2},
        },
        personal_attributes=["income"],
    )
    assert shown == {
        "name": "A***",
        "emails": ["a***@***"],
        "phones": ["***50"],
        "attributes": {"income": "***", "x": 2},
    }
