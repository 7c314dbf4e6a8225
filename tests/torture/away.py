"""The database stands still under load: every process of Postgres is stopped for a while (SIGSTOP), or the disk that
it writes to is full. The service answers 503 or waits in bounds, and goes on by itself when it is over."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from loadtest.history import READS
from tests.torture.customers import Customers
from tests.torture.instance import Instance, backends_of
from tests.torture.trial import Row, customers_of, ended, play

ANSWERED_WITHIN_S: Final = 30.0
"""The flush's watchdog ends its connection after 10 s, and 10 s later its waiters are told; the rest is slack."""
ATTEMPT_TIMEOUT_S: Final = 60.0
ACKNOWLEDGED_BEFORE: Final = 100
DISK_BYTES: Final = 192 * 2**20
FULL_FOR_S: Final = 4.0


async def stopped(folder: Path, seed: int, seconds: float, times: int, *, sellers: int = 4) -> Row:
    """An embedded server of the trial's own, stopped so many times for so long."""
    instance = Instance(folder, {})
    row = Row(f"all of Postgres stopped for {seconds:g} s", seed)
    async with ended(instance):
        await instance.start()
        async with _customers(instance, seed, sellers) as customers:

            async def torment() -> None:
                for _ in range(times):
                    await customers.acknowledged(ACKNOWLEDGED_BEFORE)
                    postmaster = instance.postmaster_pid
                    assert postmaster is not None, "it had acknowledged"
                    with _asleep([postmaster, *backends_of(postmaster)]):
                        await asyncio.sleep(seconds)
                    customers.recovery.fault()
                    await customers.recovery.over()

            await play(row, customers, torment, instance)
            _fill_in(row, customers)
            row.done = {"stopped": times}
    return row


@contextmanager
def _asleep(pids: list[int]) -> Iterator[None]:
    """Stopped by pid, and woken in all cases."""
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def can_mount() -> bool:
    """Whether this system lets us have a small disk of our own: it takes root and a mount namespace."""
    with contextlib.suppress(FileNotFoundError):
        command = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


async def disk_full(folder: Path, seed: int, times: int, *, sellers: int = 4) -> Row:
    """The data directory on a small disk that nobody else can see, and that ends with the service: filled to the last
    byte, and emptied again."""
    data_dir = folder / "data"
    data_dir.mkdir(parents=True)
    mount = 'mount -t tmpfs -o size="$1" none "$2"; shift 2; exec "$@"'
    wrapper = ["unshare", "--mount", "sh", "-ec", mount, "sh", str(DISK_BYTES), str(data_dir)]
    instance = Instance(folder, {}, wrapper=wrapper)
    row = Row("no space left for the journal", seed)
    async with ended(instance):
        await instance.start()
        async with _customers(instance, seed, sellers) as customers:
            ballast = Path(f"/proc/{instance.pid}/root{data_dir}/ballast")

            async def torment() -> None:
                for _ in range(times):
                    await customers.acknowledged(ACKNOWLEDGED_BEFORE)
                    begin = len(customers.history.events)
                    await _fill_until_refused(ballast, customers, begin)
                    await asyncio.sleep(FULL_FOR_S)
                    ballast.unlink()
                    customers.recovery.fault()
                    await customers.recovery.over()

            # `verify` as a command would see another disk: the service's own verification has to do.
            await play(row, customers, torment, instance, is_command_asked=False)
            _fill_in(row, customers)
            row.done = {"filled": times}
    return row


async def _fill_until_refused(ballast: Path, customers: Customers, begin: int) -> None:
    """Postgres still has some room in its last segment of the log: the load uses it up."""
    with ballast.open("wb", buffering=0) as file:
        while not any(event.status == 503 for event in customers.history.events[begin:]):
            begin = len(customers.history.events)
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
            await asyncio.sleep(0.05)


def _customers(instance: Instance, seed: int, sellers: int) -> contextlib.AbstractAsyncContextManager[Customers]:
    return customers_of([instance.url], Random(seed), sellers=sellers, at_once=32, attempt_timeout_s=ATTEMPT_TIMEOUT_S)


def _fill_in(row: Row, customers: Customers) -> None:
    """How long the slowest had to wait, and whether that was in bounds."""
    row.times("first_acknowledgement", customers.recovery.took_s)
    events = customers.history.events
    slowest_s = max(((event.answered_ns - event.sent_ns) / 1e9 for event in events), default=0.0)
    row.figures["slowest_answer_s"] = round(slowest_s, 2)
    if slowest_s > ANSWERED_WITHIN_S:
        row.faults.append(f"an answer took {slowest_s:.1f} s")
    unanswered = sum(event.status is None for event in events)
    row.figures["without_answer"] = unanswered
    if unanswered:
        row.faults.append(f"{unanswered} requests were not answered at all")
    row.figures["answered_503"] = sum(event.status == 503 for event in events if event.request.kind not in READS)
