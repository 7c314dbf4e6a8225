"""Worker processes of a verification: each reads and replays on a processor and a connection of its own.

They are given work on standard input, one JSON line each, and answer on standard output the same way. So the URL,
which may hold a password, is seen by nobody; a worker ends by itself once this process does; and nothing is shared
but the journal.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct

from actors.verification.findings import Finding
from actors.verification.walk import Range
from journal.store import JournalUnavailable, JournalUnreadable

COMMAND: Final = (sys.executable, "-m", "actors.verification.worker")


class Place(Struct, frozen=True):
    """The first line that a worker is given: where the journal is. Ranges follow."""

    url: str
    cell: str


class Answer(Struct, frozen=True):
    """A line that a worker says: what it has done since the last, and at the end of its range what was found."""

    sellers: int
    entries: int
    is_end: bool = False
    finding: Finding | None = None
    fault: str | None = None
    """The database went away, or, `is_unreadable`, refused."""
    is_unreadable: bool = False


async def walk_in_workers(
    url: str, cell: str, slices: Sequence[Range], workers: int, on_chunk: Callable[[int, int], None]
) -> Finding | None:
    """What was found in the first slice where something was found. Raises `JournalUnavailable` and
    `JournalUnreadable`."""
    work = _Work(slices, on_chunk)
    tasks = [
        asyncio.create_task(_employ(msgspec.json.encode(Place(url, cell)), work))
        for _ in range(min(workers, len(slices)))
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return work.finding


class _Work:
    """The slices that are still to be given out, and the finding of the lowest one so far."""

    def __init__(self, slices: Sequence[Range], on_chunk: Callable[[int, int], None]) -> None:
        self.on_chunk = on_chunk
        self.finding: Finding | None = None
        self._slices = slices
        self._next = 0
        self._found_in = len(slices)

    def take(self) -> int | None:
        """The number of the next slice; None when what comes after does not matter any more."""
        number = self._next
        if number >= self._found_in:
            return None
        self._next += 1
        return number

    def range_of(self, number: int) -> Range:
        return self._slices[number]

    def found(self, number: int, finding: Finding) -> None:
        if number < self._found_in:
            self._found_in, self.finding = number, finding


async def _employ(place: bytes, work: _Work) -> None:
    """One worker, from its start to its end."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for this process, which then ends it; also while it starts.
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(place + b"\n")
        while (number := work.take()) is not None:
            process.stdin.write(msgspec.json.encode(work.range_of(number)) + b"\n")
            finding = await _read_finding(process.stdout, work.on_chunk)
            if finding is not None:
                work.found(number, finding)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _read_finding(lines: asyncio.StreamReader, on_chunk: Callable[[int, int], None]) -> Finding | None:
    """What the worker says of one range, until it has ended it."""
    while line := await lines.readline():
        answer = msgspec.json.decode(line, type=Answer)
        if answer.fault is not None:
            raise (JournalUnreadable if answer.is_unreadable else JournalUnavailable)(answer.fault)
        on_chunk(answer.sellers, answer.entries)
        if answer.is_end:
            return answer.finding
    raise JournalUnavailable("a worker of the verification has ended")
