"""One trial: customers under way, a fault done to what they rely on, and the exact check when they have gone.

`stage` is what every trial has in common. What comes out is a `Row` of the programme's table; a row without faults
is a trial that was passed.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from statistics import median
from typing import Final

import aiohttp
from msgspec import Struct, field

from loadtest import audit
from loadtest.checker import Name, check
from loadtest.client import Unreachable
from loadtest.history import ACKNOWLEDGED, READS, Outcome
from tests.torture.customers import Customers
from tests.torture.instance import Instance

ATTEMPT_TIMEOUT_S: Final = 60.0
FAULTS_SHOWN_MAX: Final = 20


class Row(Struct):
    """What a trial did and what came of it. `figures` are named with their unit."""

    title: str
    seed: int
    done: dict[str, int] = field(default_factory=dict)
    """The faults that were done to it, by kind."""
    requests: int = 0
    acknowledged: int = 0
    unknown: int = 0
    """Attempts whose outcome was not told; each was asked again until it was."""
    not_applied: int = 0
    entries: int = 0
    lost: int = 0
    doubled: int = 0
    stale_reads: int = 0
    seconds: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def times(self, name: str, took_s: Sequence[float]) -> None:
        if took_s:
            self.figures |= {f"{name}_median_s": round(median(took_s), 3), f"{name}_max_s": round(max(took_s), 3)}


@asynccontextmanager
async def customers_of(
    urls: Sequence[str], random: Random, *, sellers: int, at_once: int, attempt_timeout_s: float = ATTEMPT_TIMEOUT_S
) -> AsyncIterator[Customers]:
    """Customers with credit, who have not begun."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=attempt_timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        customers = Customers(session, urls, random, at_once)
        await customers.arrive(sellers)
        yield customers


async def play(
    row: Row,
    customers: Customers,
    torment: Callable[[], Awaitable[None]],
    instance: Instance,
    *,
    is_command_asked: bool = True,
) -> Row:
    """Torments while they shop, then fills in the row. `instance` answers for the journal in the end, and
    `charge-shop verify` too if it is asked."""
    begin = time.monotonic()
    try:
        async with asyncio.TaskGroup() as both:
            shopping = both.create_task(customers.shop())
            await torment()
            customers.leave()
            await shopping
        await customers.settle()
        row.seconds = round(time.monotonic() - begin, 1)
        await _check(row, customers, instance)
        if is_command_asked and (found := await instance.verify()) is not None:
            row.faults.append(f"charge-shop verify: {found}")
    except* Unreachable as unreachable:
        row.faults.append(f"never answered: {unreachable.exceptions[0]}\n{instance.log_tail()}")
    return row


async def _check(row: Row, customers: Customers, instance: Instance) -> None:
    """The exact checker over the whole history, the service's own verification."""
    events = customers.history.events
    books = await audit.fetch(customers.client, customers.admin, customers.sellers)
    findings = check(events, books.journals, books.closing, is_whole_journal=True)
    names = Counter(violation.name for violation in findings.violations)
    outcomes = Counter(event.outcome for event in events if event.request.kind not in READS)
    row.requests = len(events)
    row.acknowledged = sum(outcomes[each] for each in ACKNOWLEDGED)
    row.unknown, row.not_applied = outcomes[Outcome.UNKNOWN], outcomes[Outcome.NOT_APPLIED]
    row.entries = sum(map(len, books.journals.values()))
    row.lost, row.doubled, row.stale_reads = names[Name.LOST], names[Name.DOUBLED], names[Name.STALE_READ]
    row.faults += [str(violation) for violation in findings.violations[:FAULTS_SHOWN_MAX]]
    row.faults += books.csv_faults[:FAULTS_SHOWN_MAX]
    if books.verification != "passed":
        row.faults.append(f"verification: {books.verification}")
    for rule in (1, 2, 3):
        if not findings.looked_at[rule]:
            row.faults.append(f"rule {rule} had nothing to look at")


@asynccontextmanager
async def ended(*instances: Instance) -> AsyncIterator[None]:
    """Ends them in all cases."""
    async with contextlib.AsyncExitStack() as stack:
        for instance in instances:
            stack.push_async_callback(instance.stop)
        yield
