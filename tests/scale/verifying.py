"""`charge-shop verify` of it all, as somebody at a terminal sees it."""

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from journal.embedded import running
from tests.processes.running import environment
from tests.scale.figures import Figure
from tests.scale.fill import Filled
from tests.scale.shop import processor_s_of_server, rss_bytes

ENTRIES_PER_S_MIN: Final = 100_000
GROWTH_MAX: Final = 1.3
"""From what it holds when it has come a tenth of the way."""
SAMPLE_S: Final = 0.2
PROGRESS_MIN: Final = 3


async def verifying(folder: Path, filled: Filled) -> list[Figure]:
    async with running(folder / "data") as server:
        terminal, its_end = os.openpty()
        begin, used = time.monotonic(), _used_s(server.pid)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "service",
            "verify",
            "--data-dir",
            str(folder / "data"),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=its_end,
        )
        os.close(its_end)
        held: list[int] = []
        shown = bytearray()
        os.set_blocking(terminal, False)
        database = server.pid
        while process.returncode is None:
            # Of its own processes: the database serves everybody.
            held.append(sum(_rss(pid) for pid in _tree(process.pid) if pid != database))
            _read(terminal, shown)
            await asyncio.sleep(SAMPLE_S)
        took_s, used_s = time.monotonic() - begin, _used_s(server.pid) - used
        assert process.stdout is not None
        said = (await process.stdout.read()).decode()
        _read(terminal, shown)
        os.close(terminal)
    assert process.returncode == 0, said + shown.decode(errors="replace")
    early = max(held[: max(1, len(held) // 10)])
    return [
        Figure("verify, rate", round(filled.plan.entries / took_s), "entries/s", ENTRIES_PER_S_MIN, "at least"),
        Figure("verify, time of all", round(took_s, 1), "s"),
        # On a machine that others use too, this tells what the rate would be on one that is free.
        Figure(
            "verify, processor time, the database's too", round(1e6 * used_s / filled.plan.entries, 1), "us an entry"
        ),
        Figure("verify, most memory, all its processes", round(max(held) / 2**20), "MiB"),
        Figure("verify, that to what it was after a tenth", round(max(held) / early, 2), "times", GROWTH_MAX),
        Figure("verify, times that progress was shown", shown.count(b"\r"), "", PROGRESS_MIN, "at least"),
    ]


def _read(terminal: int, shown: bytearray) -> None:
    with suppress(OSError):  # Nothing there, or nobody at the other end any more.
        shown += os.read(terminal, 2**16)


def _used_s(postmaster: int | None) -> float:
    """Processor time of our children that have ended, and of the database."""
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ours.ru_utime + ours.ru_stime + processor_s_of_server(postmaster)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _tree(int(child))


def _rss(pid: int) -> int:
    try:
        return rss_bytes(pid)
    except (OSError, IndexError):
        return 0
