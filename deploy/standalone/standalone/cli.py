"""The `stave` command. Only the sub-command that was asked for is imported, so that `stave run` is up quickly."""

import errno
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import typer
from typer.exceptions import Abort, Exit, TyperException

from standalone.errors import Refusal
from standalone.terminal import complain

# First word of the command line and the module whose `register(application)` adds it.
COMMANDS = {
    "run": "standalone.commands",
    "stop": "standalone.commands",
    "import": "standalone.importing",
    "demo": "standalone.demo",
    "train": "standalone.training",
    "simulate": "standalone.simulating",
}
USER_ERROR = 2


def main() -> None:
    """Run the command line of this process."""
    sys.exit(execute(sys.argv[1:]))


def execute(words: Sequence[str]) -> int:
    """Run a command line; the exit code is 2, with one sentence on stderr, when its user can put it right."""
    try:
        result = application_for(words)(list(words), prog_name="stave", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except Exit as done:
        return done.exit_code
    except (Abort, KeyboardInterrupt):
        complain("Stopped.")
        return 130
    except TyperException as error:
        known = [word for word in words[:1] if word in COMMANDS]
        if said := error.format_message().rstrip("."):
            complain(f"{said}. See `{' '.join(['stave', *known])} --help`.")
    except Refusal as refusal:
        complain(str(refusal))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        complain(f"The disk is full{f' ({error.filename})' if error.filename else ''}: free some space and try again.")
    return USER_ERROR


def application_for(words: Sequence[str]) -> typer.Typer:
    """The application with the command that `words` begin with, or with all of them where none is named."""
    application = typer.Typer(
        help="Stave: knows every customer, sees who is about to leave, acts in time, and keeps a control group.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    # With a callback a single command is still called by its name.
    application.callback()(_stave)
    asked = [COMMANDS[word] for word in words[:1] if word in COMMANDS]
    for module in dict.fromkeys(asked or COMMANDS.values()):
        if find_spec(module) is not None and (register := getattr(import_module(module), "register", None)):
            register(application)
    return application


def _stave() -> None:
    """Stave: knows every customer, sees who is about to leave, acts in time, and keeps a control group."""
