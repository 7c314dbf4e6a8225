"""How a PostgreSQL program is started here: directly, or without root's powers when we are root.

Decides once, by trying; starts programs in a session of their own (Ctrl-C in a terminal is for us, not for
them) with an environment that holds nothing of ours.
"""

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from journal.embedded import unprivileged
from journal.embedded.errors import CannotRunAsRoot

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "LANG": "C"}


@dataclass(frozen=True)
class Launch:
    """A way to start programs: what to put before the command, and which user will own their files."""

    prefix: tuple[str, ...]
    uid: int
    gid: int

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run to the end; blocking, so in a thread."""
        return subprocess.run(
            [*self.prefix, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            check=False,
        )

    def works(self, programs: Path) -> bool:
        """Whether the system allows it, and it leads to the programs and into the data directory."""
        return self.run([str(programs / "postgres"), "--version"]).returncode == 0

    def start(
        self, command: list[str], *, output: IO[bytes], environment: dict[str, str], inherit_fd: int
    ) -> subprocess.Popen[bytes]:
        """Start and return at once. The prefix becomes the program, so the pid is the program's own."""
        return subprocess.Popen(
            [*self.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT | environment,
            cwd="/",
            start_new_session=True,
            pass_fds=(inherit_fd,),
        )


def choose_launch(programs: Path, data_dir: Path) -> Launch:
    """The first way that reaches the programs and the data directory; blocking. Raises CannotRunAsRoot."""
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return Launch((), os.geteuid(), os.getegid())
    for way in ways_without_root(data_dir):
        if way.works(programs):
            return way
    raise CannotRunAsRoot(
        "PostgreSQL does not run as root or as a user without a name, and this system offers no user namespace: "
        "run as a normal user, or give --database-url"
    )


def ways_without_root(data_dir: Path) -> list[Launch]:
    """Best first: what keeps the owner of the files, then what needs another one. See unprivileged."""
    script = (sys.executable, "-I", unprivileged.__file__)
    ways = [Launch((*script, "namespace", str(data_dir)), os.geteuid(), os.getegid())]
    if os.geteuid() == 0 and (nobody := _nobody()):
        for way in ("nobody", "nobody-searching"):
            ways.append(Launch((*script, way, str(data_dir)), nobody.pw_uid, nobody.pw_gid))
    return ways


def _has_name(uid: int) -> bool:
    """initdb refuses a user without an entry in the password file, as containers like to run."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def nobody_uid() -> int | None:
    nobody = _nobody()
    return nobody.pw_uid if nobody else None


def _nobody() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return None
