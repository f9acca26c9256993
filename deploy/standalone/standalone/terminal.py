"""What people see: plain sentences on the terminal, errors on the other stream."""

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)


def say(sentence: str) -> None:
    """Tell the person something."""
    out.print(sentence, markup=False)


def complain(sentence: str) -> None:
    """Tell the person what is wrong and what to do."""
    err.print(sentence, markup=False)
