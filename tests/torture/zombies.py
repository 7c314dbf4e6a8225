"""Two instances on one database; the owner is stopped in mid-flush (SIGSTOP), the standby takes over, and the former
owner wakes up (SIGCONT) with all it had in mind: a flush on its way, answers to give, balances to show.

Balances are read at both addresses all the time, also while the one is stopped: what was asked of a sleeper it
answers when it wakes, and the exact checker knows what had been acknowledged elsewhere before it was asked.
"""

import asyncio
import signal
from collections import Counter
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

from tests.torture.customers import Customers
from tests.torture.instance import Instance
from tests.torture.proxy import Flush, FlushProxy, ServerGone, let_pass
from tests.torture.trial import Row, customers_of, play

LEASE_TTL_S: Final = 1
TAKE_OVER_MAX_S: Final = 20.0
"""After the lease has run out, on a machine that does other things too. Without a successor there is no service."""
FLUSHES_BEFORE: Final = (1, 40)
ACKNOWLEDGED_BY_SUCCESSOR: Final = (1, 60)
READ_EVERY_S: Final = 0.02
ATTEMPT_TIMEOUT_S: Final = 1.5
"""A stopped process answers nobody: its customers go to the other one, with the same keys."""


class Sleep(StrEnum):
    """Where the flush is while its owner is stopped."""

    WRITTEN = "written, the answer waits"
    HELD = "on the wire until the successor has sold"
    HELD_LONGER = "on the wire until its owner has woken up"


class Pair:
    """Two instances, each with a proxy of its own before one database."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.proxies = [FlushProxy(database_url) for _ in range(2)]
        self.folder = folder
        self.database_url = database_url
        self.instances: list[Instance] = []
        self.owner = 0

    async def start(self) -> None:
        for proxy in self.proxies:
            await proxy.start()
        for number, proxy in enumerate(self.proxies):
            settings = {
                "CHARGE_SHOP_DATABASE_URL": proxy.url,
                "CHARGE_SHOP_MIGRATION_URL": self.database_url,
                "CHARGE_SHOP_LEASE_TTL_S": str(LEASE_TTL_S),
            }
            self.instances.append(Instance(self.folder / str(number), settings))
            await self.instances[number].start(until="/healthz" if number else "/readyz")

    async def close(self) -> None:
        await asyncio.gather(*(instance.stop() for instance in self.instances))
        for proxy in self.proxies:
            await proxy.close()


class Sleepwalk:
    """Puts the owner to sleep in mid-flush, and wakes it when the other has taken over."""

    def __init__(self, pair: Pair, customers: Customers, random: Random) -> None:
        self._pair = pair
        self._customers = customers
        self._random = random
        self.done: Counter[str] = Counter()
        self.stale_writes = 0
        self.took_over_s: list[float] = []

    async def once(self) -> None:
        """Raises TimeoutError if nobody takes over."""
        pair, random = self._pair, self._random
        sleep = random.choice(list(Sleep))
        owner, successor = pair.instances[pair.owner], pair.instances[1 - pair.owner]
        asleep, successor_sells, awake = asyncio.Event(), asyncio.Event(), asyncio.Event()
        written: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        flushes_before = random.randint(*FLUSHES_BEFORE)

        async def stop_in_flush(flush: Flush) -> None:
            nonlocal flushes_before
            flushes_before -= 1
            if flushes_before != 0:
                await let_pass(flush)
                return
            owner.signal(signal.SIGSTOP)
            asleep.set()
            if sleep is not Sleep.WRITTEN:
                await (successor_sells if sleep is Sleep.HELD else awake).wait()
            try:
                flush.deliver()
                written.set_result(await flush.answered())
            except ServerGone:
                written.set_result(None)
            flush.reply()

        pair.proxies[pair.owner].on_flush = stop_in_flush
        await asleep.wait()
        self._customers.recovery.fault()
        async with asyncio.timeout(LEASE_TTL_S + TAKE_OVER_MAX_S):
            await self._customers.recovery.over()
        await self._customers.acknowledged(random.randint(*ACKNOWLEDGED_BY_SUCCESSOR))
        successor_sells.set()
        if sleep is Sleep.HELD:
            await written
        owner.signal(signal.SIGCONT)
        awake.set()
        is_written = await written
        if sleep is not Sleep.WRITTEN and is_written:
            self.stale_writes += 1
        await owner.answers("/readyz", 503)
        await successor.answers("/readyz")
        pair.proxies[pair.owner].on_flush = let_pass
        pair.owner = 1 - pair.owner
        self.done[sleep] += 1


async def zombies(folder: Path, database_url: str, seed: int, count: int, *, sellers: int = 4) -> Row:
    """`database_url`: a database of the trial's own, with its owner as the user."""
    pair = Pair(folder, database_url)
    row = Row("the owner is stopped in mid-flush and wakes up later", seed)
    try:
        await pair.start()
        urls = [instance.url for instance in pair.instances]
        async with customers_of(
            urls, Random(seed), sellers=sellers, at_once=16, attempt_timeout_s=ATTEMPT_TIMEOUT_S
        ) as customers:
            sleepwalk = Sleepwalk(pair, customers, Random(seed + 1))

            async def torment() -> None:
                async with asyncio.TaskGroup() as readers:
                    watching = readers.create_task(_watch(customers, urls, Random(seed + 2)))
                    try:
                        for _ in range(count):
                            await sleepwalk.once()
                    except TimeoutError:
                        row.faults.append(f"nobody took over: {pair.instances[1 - pair.owner].log_tail()}")
                        pair.instances[pair.owner].signal(signal.SIGCONT)
                    watching.cancel()

            await play(row, customers, torment, pair.instances[0])
            row.times("taken_over", customers.recovery.took_s)
            row.figures["reads"] = sum(event.request.kind == "read_balance" for event in customers.history.events)
    finally:
        await pair.close()
    row.done = dict(sleepwalk.done)
    row.figures["stale_writes"] = sleepwalk.stale_writes
    if sleepwalk.stale_writes:
        row.faults.append(f"{sleepwalk.stale_writes} flushes were written after another had taken over")
    return row


async def _watch(customers: Customers, urls: list[str], random: Random) -> None:
    """Readers that do not wait for each other: some ask a sleeper, just before it wakes."""
    async with asyncio.TaskGroup() as readers:
        while True:
            for url in urls:
                readers.create_task(customers.look(url, random.choice(customers.sellers)))
            await asyncio.sleep(READ_EVERY_S)
