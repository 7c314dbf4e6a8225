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
PROBE = "import os, sys; sys.exit(not all(os.access(path, os.X_OK) for path in sys.argv[1:]))"


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

    def start(self, command: list[str], *, output: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start and return at once. The prefix becomes the program, so the pid is the program's own."""
        return subprocess.Popen(
            [*self.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT | environment,
            cwd="/",
            start_new_session=True,
        )


def choose_launch(programs: Path, data_dir: Path) -> Launch:
    """The first way that reaches the programs and the data directory; blocking. Raises CannotRunAsRoot."""
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0 and _has_name(uid):
        return Launch((), uid, gid)
    script = (sys.executable, "-I", unprivileged.__file__)
    ways = [Launch((*script, "namespace"), uid, gid)]
    if uid == 0 and (nobody := _nobody()):
        ways += [Launch((*script, way), nobody.pw_uid, nobody.pw_gid) for way in ("nobody", "nobody-searching")]
    for way in ways:
        probe = way.run([sys.executable, "-I", "-c", PROBE, str(programs / "postgres"), str(data_dir)])
        if probe.returncode == 0:
            return way
    raise CannotRunAsRoot(
        "PostgreSQL does not run as root, and this system offers no user namespaces: "
        "run as a normal user, or give --database-url"
    )


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
