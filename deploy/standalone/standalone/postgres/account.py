"""As whom the server runs: PostgreSQL refuses to run as root, so root hands it to an unprivileged user."""

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from standalone.errors import Refusal

# The first of these that the system knows; an operator who wants a user of Stave's own just creates `stave`.
UNPRIVILEGED_USERS = ("stave", "nobody")


@dataclass(frozen=True)
class Account:
    """A user of the system; `is_other` when it is not the user this process runs as."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether it takes root to act as this user."""
        return self.uid != os.geteuid()

    def command(self, *arguments: str, ends_with_parent: bool = False) -> list[str]:
        """The command line that runs `arguments` as this user, with no group or privilege of the caller's."""
        options = []
        if self.is_other:
            options += [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--no-new-privs"]
        if ends_with_parent:
            options.append("--pdeathsig=INT")
        return [_setpriv(), *options, "--", *arguments] if options else list(arguments)

    def own(self, path: Path) -> None:
        """Make this user the owner of `path`, which the caller has just created."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)


def current_account() -> Account:
    """The user this process runs as."""
    return Account(os.geteuid(), os.getegid())


def owner_of(path: Path) -> Account:
    """The user a file belongs to."""
    status = path.stat()
    return Account(status.st_uid, status.st_gid)


def unprivileged_account() -> Account:
    """The user that root lets the server run as."""
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in UNPRIVILEGED_USERS:
        if name in known:
            return Account(known[name].pw_uid, known[name].pw_gid)
    raise Refusal(
        "PostgreSQL does not run as root and this system has no user `nobody`: create a user `stave`, run Stave as an "
        "ordinary user, or name a PostgreSQL server of your own in STAVE_DATABASE_URL."
    )


def _setpriv() -> str:
    found = shutil.which("setpriv")
    if found is None:
        raise Refusal(
            "As root Stave needs the program `setpriv` (package util-linux) to run PostgreSQL as an unprivileged user: "
            "install it, run Stave as an ordinary user, or name a server of your own in STAVE_DATABASE_URL."
        )
    return found
