"""Every setting is documented, and the pages say what the code does."""

import re

from tests.support.members import MEMBERS, place
from tests.support.settings_page import COMMAND_LINE, EXAMPLE, PAGE, example, fields, page

NAMED = re.compile(r"\bSTAVE_[A-Z][A-Z_]*[A-Z]\b")
# Not read by a settings class: by the tests.
OF_TESTS = {"STAVE_REQUIRE_ENGINES", "STAVE_TEST_DATABASE_URL"}


def test_the_page_is_what_the_settings_say() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_the_example_file_has_every_setting() -> None:
    assert EXAMPLE.read_text() == example(), "run `make docs`"


def test_every_setting_says_what_it_does() -> None:
    assert [variable for _, variable, field in fields() if not field.description] == []


def test_no_message_names_a_setting_that_does_not_exist() -> None:
    known = {variable for _, variable, _ in fields()} | set(COMMAND_LINE) | OF_TESTS
    unknown = {
        f"{place(file)} {name}"
        for member in MEMBERS.values()
        for file in member.files()
        for name in NAMED.findall(file.read_text())
        if name not in known and not name.endswith("_DATABASE_URL")
    }
    assert unknown == set()
