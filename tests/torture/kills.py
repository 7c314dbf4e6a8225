"""SIGKILL under load, at random moments: of the service, or of its Postgres (the whole server, or one process of it,
which makes the server end all others and recover)."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

from tests.torture.customers import Customers
from tests.torture.instance import Instance, backends_of
from tests.torture.trial import Row, customers_of, ended, play

ACKNOWLEDGED_BETWEEN: Final = (1, 150)
OFFSET_MAX_S: Final = 0.02
"""A kill is not in step with answers: it comes up to so much later."""


class Victim(StrEnum):
    SERVICE = "service"
    POSTMASTER = "postmaster"
    BACKEND = "a backend"


async def kills(folder: Path, seed: int, victims: tuple[Victim, ...], count: int, *, sellers: int = 6) -> Row:
    """`count` kills in all, the victims drawn by the seed, on an embedded server of the trial's own."""
    instance = Instance(folder, {})
    row = Row(f"kill -9 of {' or '.join(victims)}", seed)
    done: Counter[str] = Counter()
    async with ended(instance):
        await instance.start()
        async with customers_of([instance.url], Random(seed), sellers=sellers, at_once=32) as customers:
            random = Random(seed + 1)

            async def torment() -> None:
                for _ in range(count):
                    await customers.acknowledged(random.randint(*ACKNOWLEDGED_BETWEEN))
                    await asyncio.sleep(random.uniform(0, OFFSET_MAX_S))
                    done[await _kill(random.choice(victims), instance, customers, random)] += 1
                    await customers.recovery.over()

            await play(row, customers, torment, instance)
            row.times("first_acknowledgement", customers.recovery.took_s)
    row.done = dict(done)
    if sum(done.values()) != count:
        row.faults.append(f"only {sum(done.values())} of {count} kills were survived")
    return row


async def _kill(victim: Victim, instance: Instance, customers: Customers, random: Random) -> str:
    if victim is Victim.SERVICE:
        customers.recovery.fault()
        await instance.kill()
        await instance.launch()
        return victim
    postmaster = instance.postmaster_pid
    assert postmaster is not None, "it had acknowledged"
    pid = postmaster if victim is Victim.POSTMASTER else random.choice(backends_of(postmaster))
    customers.recovery.fault()
    with suppress(ProcessLookupError):  # A backend may have ended by itself meanwhile.
        os.kill(pid, signal.SIGKILL)
    return victim
