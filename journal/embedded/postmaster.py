"""One running server process of a cluster: found or launched, waited for, shut down.

`postmaster.pid` in the cluster says who it is and how far it came; the process table says whether that is still
true.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from journal.embedded.cluster import DISK_FULL_TEXT
from journal.embedded.errors import DataDirectoryInUse, DiskFull, StartFailed, unusable
from journal.embedded.launch import Launch
from journal.embedded.layout import Layout
from journal.embedded.locks import FileLock
from journal.embedded.server_log import ServerLog

POLL_S = 0.05
PROGRESS_EVERY_S = 2.0
OLD_SERVER_DEATH_S = 5.0  # the last processes of a killed server end at once, or with their statement


@dataclass(frozen=True)
class PidFile:
    """What postmaster.pid says: https://www.postgresql.org/docs/18/storage-file-layout.html"""

    pid: int
    socket_dir: Path | None
    status: str  # starting, ready, standby, stopping; empty at first

    @classmethod
    def read(cls, cluster: Path) -> "PidFile | None":
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
            lines += [""] * (8 - len(lines))
            return cls(int(lines[0]), Path(lines[4]) if lines[4] else None, lines[7].strip())
        except FileNotFoundError:
            return None
        except ValueError:  # read while it was being written
            return None


class Postmaster:
    """`child` is there only when this process launched it; `log` is what it says from now on."""

    def __init__(self, layout: Layout, pid: int, *, child: subprocess.Popen[bytes] | None, log: ServerLog) -> None:
        self._layout = layout
        self._child = child
        self._log = log
        self.pid = pid

    @classmethod
    def find(cls, layout: Layout) -> "Postmaster | None":
        """The server that runs on this cluster already, whoever started it."""
        noted = PidFile.read(layout.cluster)
        if noted is None or not _is_postmaster_of(layout.cluster, noted.pid):
            return None
        return cls(layout, noted.pid, child=None, log=ServerLog(layout.log_dir))

    @staticmethod
    def require_none_moved_away(layout: Layout) -> None:
        """Raise DataDirectoryInUse while a server lives that was started in this place, and moved with its files. It
        goes on writing its control file by the name that it was given, over that of whoever comes after it."""
        for pid, folder in _servers_by_name(layout.cluster):
            if not _is_same(Path(folder), layout.cluster):
                raise DataDirectoryInUse(
                    f"PostgreSQL was started in {layout.cluster}, was moved to {folder} while it ran, and would still "
                    f"write here: stop the service that uses it, then it (kill -INT {pid})"
                )

    @classmethod
    def launch(cls, layout: Layout, launch: Launch, programs: Path) -> "Postmaster":
        """Start a server, or find one that started meanwhile; blocks for seconds at most. Raises
        DataDirectoryInUse while processes of another one live that cannot be found."""
        alive = FileLock(layout.alive)
        give_up_at = time.monotonic() + OLD_SERVER_DEATH_S
        while not alive.try_exclusive():
            if found := cls.find(layout):
                return found
            if time.monotonic() > give_up_at:
                raise DataDirectoryInUse(
                    f"processes of an earlier PostgreSQL still use {layout.cluster}, here or in another container"
                )
            time.sleep(POLL_S)
        try:
            environment = _set_stale_pid_aside(layout.cluster)
            with open(layout.startup_log, "wb") as output:
                os.fchmod(output.fileno(), 0o600)
                log = ServerLog(layout.log_dir)
                child = launch.start(
                    [str(programs / "postgres"), "-D", str(layout.cluster)],
                    output=output,
                    environment=environment,
                    inherit_fd=alive.fileno(),
                )
        except OSError as error:
            raise unusable(layout.startup_log, error) from error
        finally:
            alive.release()
        return cls(layout, child.pid, child=child, log=log)

    @property
    def is_adopted(self) -> bool:
        return self._child is None

    @property
    def is_running(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return _is_postmaster_of(self._layout.cluster, self.pid)

    @property
    def how_it_ended(self) -> str:
        status = self._child.poll() if self._child is not None else None
        match status:
            case None:
                return "it is gone"
            case _ if status < 0:
                return f"signal {-status}"
            case _:
                return f"exit status {status}"

    @property
    def socket_dir(self) -> Path | None:
        noted = PidFile.read(self._layout.cluster)
        return noted.socket_dir if noted and noted.pid == self.pid else None

    @property
    def is_stopping(self) -> bool:
        noted = PidFile.read(self._layout.cluster)
        return noted is not None and noted.pid == self.pid and noted.status == "stopping"

    async def ready(self, on_progress: Callable[[str], None], *, is_given_up: Callable[[], bool]) -> None:
        """Wait until it accepts connections, while it lives: recovery after a crash may take minutes."""
        clock = asyncio.get_running_loop().time
        started = clock()
        next_progress = started + PROGRESS_EVERY_S
        while not self._says_ready():
            if not self.is_running:
                raise self._start_failure()
            if is_given_up():
                raise StartFailed("PostgreSQL is no longer wanted before it was ready")
            if clock() >= next_progress:
                next_progress = clock() + PROGRESS_EVERY_S
                said = self._log.last_message() or "no word from it yet"
                on_progress(f"PostgreSQL is starting, {clock() - started:.0f} s so far: {said}")
            await asyncio.sleep(POLL_S)

    def detach(self) -> None:
        """Let a server that we launched outlive us: others use it still."""
        if self._child is not None and self._child.poll() is None:
            self._child.returncode = 0  # else its object complains when it is collected
            self._child = None

    async def ended(self) -> None:
        while self.is_running:
            await asyncio.sleep(POLL_S)

    async def shut_down(self, timeout_s: float) -> None:
        """Fast shutdown, which ends connections and writes a checkpoint; the immediate one when that takes too
        long (the next start then recovers from the log, and nothing is lost)."""
        for signal_number, patience_s in ((signal.SIGINT, timeout_s), (signal.SIGQUIT, 10.0)):
            self._signal(signal_number)
            try:
                async with asyncio.timeout(patience_s):
                    await self.ended()
                return
            except TimeoutError:
                continue
        self._signal(signal.SIGKILL)
        await self.ended()

    def _says_ready(self) -> bool:
        noted = PidFile.read(self._layout.cluster)
        return noted is not None and noted.pid == self.pid and noted.status == "ready"

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _start_failure(self) -> StartFailed | DiskFull:
        if self._log.mentions(DISK_FULL_TEXT):
            return DiskFull(f"no space is left on the device of {self._layout.data_dir}")
        reason = self._log.failure() or "it gave no reason"
        return StartFailed(f"PostgreSQL did not start ({self.how_it_ended}): {reason}; its log: {self._layout.log_dir}")


def _set_stale_pid_aside(cluster: Path) -> dict[str, str]:
    """What a dead server left behind must not stop the next one, which would refuse to start when the old pid is
    somebody else's by now (as in a restarted container), or when the disk was too full to write it down.
    Answers the environment in which PostgreSQL takes that pid for no server; its other safeguard against two
    servers on one cluster, the shared memory of the old one, stays in force."""
    stale = PidFile.read(cluster)
    if stale is not None:
        return {"PG_GRANDPARENT_PID": str(stale.pid)}
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    return {}


def _servers_by_name(cluster: Path) -> Iterator[tuple[int, str]]:
    """Servers that were given the cluster's path, each with the folder that it works in by now."""
    named = [b"-D", os.fsencode(cluster)]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # Gone, or somebody else's.
            if (process / "cmdline").read_bytes().split(b"\0")[1:3] == named:
                yield int(process.name), os.readlink(process / "cwd")


def _is_same(folder: Path, other: Path) -> bool:
    try:
        return folder == other or folder.samefile(other)
    except OSError:
        return False


def _is_postmaster_of(cluster: Path, pid: int) -> bool:
    """A live process whose working directory is the cluster, as a postmaster's is; a pid may have been reused."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    if not Path("/proc/self/cwd").exists():
        return True
    try:
        return Path(f"/proc/{pid}/cwd").samefile(cluster)
    except OSError:  # gone, or a zombie
        return False
