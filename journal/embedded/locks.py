"""Advisory locks on files of the data directory (flock): they end with the process that holds them, however it
ends.

Three are ours, always taken in this order:
    lock     exclusive, held by `serve` for its whole life: holding it proves that no former owner is alive
    mutex    exclusive, held only while somebody starts or stops the server
    users    shared, held by everybody who uses the server; whoever leaves and can have it alone was the last

and one that is the server's:
    alive    exclusive, inherited by the server and all its processes: held as long as one of them lives, wherever
             it can be seen from (a process in another container cannot be found by its pid)

All other descriptors are closed on exec (PEP 446), so the server never holds a lock of ours.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from journal.embedded.errors import unusable

POLL_S = 0.05


class FileLock:
    """One hold, or attempt at one, on a lock file; two objects exclude each other within one process too.

    The file stays for ever: removing it would let two processes lock two different files of the same name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    @property
    def is_held(self) -> bool:
        return self._fd is not None

    def try_exclusive(self) -> bool:
        """Take the lock alone. A shared hold becomes an exclusive one, or is lost; then it says False."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def release(self) -> None:
        """Close our descriptor; a process that inherited it holds the lock on."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @asynccontextmanager
    async def exclusive(self, on_wait: Callable[[], None]) -> AsyncIterator[None]:
        """Hold the lock alone, waiting for it as long as it takes; `on_wait` is called if there is a wait."""
        if not self.try_exclusive():
            on_wait()
            while not self.try_exclusive():
                await asyncio.sleep(POLL_S)
        try:
            yield
        finally:
            self.release()

    def fileno(self) -> int:
        """The descriptor that holds the lock, to be inherited."""
        assert self._fd is not None, "the lock is held"
        return self._fd

    def write_note(self, text: str) -> None:
        """Leave a line in the held file for whoever finds it locked."""
        assert self._fd is not None, "only the holder leaves a note"
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text.encode(), 0)
        except OSError as error:
            raise unusable(self._path, error) from error

    def read_note(self) -> str:
        try:
            return self._path.read_text(errors="replace").strip()
        except OSError:
            return ""

    def _try(self, kind: int) -> bool:
        try:
            fd = self._fd if self._fd is not None else os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unusable(self._path, error) from error
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            self._fd = None
            return False
        self._fd = fd
        return True
