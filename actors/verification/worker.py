"""`python -m actors.verification.worker`: walks the ranges that it is given (see `actors.verification.workers`)."""

import gc
import os
import sys

import msgspec
import uvloop

from actors.verification.walk import Range, Walk
from actors.verification.workers import Answer, Place
from journal.reading.audit import auditing
from journal.store import JournalUnavailable, JournalUnreadable


def main() -> None:
    # What is read makes no cycles, and to look for them takes a twentieth of the time.
    gc.disable()
    try:
        uvloop.run(_work())
    except JournalUnavailable as fault:
        _say(Answer(0, 0, fault=str(fault)))
    except JournalUnreadable as fault:
        _say(Answer(0, 0, fault=str(fault), is_unreadable=True))


async def _work() -> None:
    place = msgspec.json.decode(sys.stdin.buffer.readline(), type=Place)
    async with auditing(place.url, place.cell) as audit:
        # Nothing else runs on this loop: it may wait for a line.
        while line := sys.stdin.buffer.readline():
            range_ = msgspec.json.decode(line, type=Range)
            finding = await Walk(audit, place.cell, range_, _say_chunk).run()
            _say(Answer(0, 0, is_end=True, finding=finding))


def _say_chunk(sellers: int, entries: int) -> None:
    _say(Answer(sellers, entries))


def _say(answer: Answer) -> None:
    try:
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Nobody listens any more. Raised, it would pass for a fault of the connection to the database; and what could
        # not be written would be tried once more at the end.
        os._exit(0)


if __name__ == "__main__":
    main()
