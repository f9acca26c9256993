"""The hard stops on size, and the medians that keep the tree readable."""

from statistics import median, quantiles

from tests.support.members import MEMBERS, functions, place, source_files

MOST_FUNCTION_LINES = 60
MOST_FILE_LINES = 400


def length(node: object) -> int:
    return node.end_lineno - node.lineno + 1  # type: ignore[attr-defined]


def test_no_function_is_over_60_lines() -> None:
    long = [
        f"{place(file, node)} {node.name}: {length(node)}"
        for file in source_files()
        for node in functions(file)
        if length(node) > MOST_FUNCTION_LINES
    ]
    assert long == []


def test_no_file_is_over_400_lines() -> None:
    counted = {place(file): len(file.read_text().splitlines()) for file in source_files()}
    assert {file: lines for file, lines in counted.items() if lines > MOST_FILE_LINES} == {}


def test_most_files_are_short() -> None:
    assert median(len(file.read_text().splitlines()) for file in source_files()) <= 100


def test_most_functions_are_short() -> None:
    lengths = [length(node) for member in MEMBERS.values() for file in member.files() for node in functions(file)]
    assert median(lengths) <= 10
    assert quantiles(lengths, n=20)[-1] <= 35


def test_no_function_takes_more_than_five_arguments_by_position() -> None:
    crowded = [
        f"{place(file, node)} {node.name}"
        for member in MEMBERS.values()
        for file in member.files()
        # FastAPI passes an endpoint's arguments by name.
        if "endpoints" not in str(file)
        for node in functions(file)
        if len(node.args.posonlyargs) + len(node.args.args) > 6  # five and self
    ]
    assert crowded == []
