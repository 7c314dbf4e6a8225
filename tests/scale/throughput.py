"""Charges a second on a full and on an empty journal, in turns, so that both see the same machine."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from msgspec import Struct

from tests.scale.figures import Figure
from tests.scale.shop import Shop

RATIO_MIN: Final = 0.90
COST_MAX: Final = 1.11
SCRIPT: Final = Path(__file__).with_name("charges.lua")
CONNECTIONS: Final = 64
WARM_ROUNDS: Final = 4
"""After a checkpoint the first change of a page logs all of it. On a long journal that is half of the first 100,000
charges, at 0.85 of the speed, and hardly any after them until the next checkpoint, minutes later."""


class Round(Struct):
    """What wrk tells of one, and what it took."""

    requests: int
    duration_us: int
    failed: int
    p99_us: int
    processor_s: float = 0.0
    """Of the service and its database."""

    @property
    def us_each(self) -> float:
        return 1_000_000 * self.processor_s / self.requests

    @property
    def per_s(self) -> float:
        return self.requests / self.duration_us * 1_000_000


def can_load() -> bool:
    return shutil.which("wrk") is not None


async def throughput(full: Shop, empty: Shop, *, sellers: int, rounds: int, seconds: int) -> list[Figure]:
    loads = [(shop, await shop.some_sellers(sellers)) for shop in (full, empty)]
    with tempfile.TemporaryDirectory(prefix="charge-shop-scale-") as name:
        for number, (_, keys) in enumerate(loads):
            Path(name, str(number)).write_text("".join(f"{each.key}\n" for each in keys))
        results: list[list[Round]] = [[], []]
        for turn in range(-WARM_ROUNDS, rounds):
            # Who comes first changes.
            for number in (0, 1) if turn % 2 else (1, 0):
                done = await _load(loads[number][0], Path(name, str(number)), seconds)
                assert done.failed == 0, f"{done.failed} of {done.requests} requests failed"
                if turn >= 0:
                    results[number].append(done)
    return _figures(*results)


def _figures(full: Sequence[Round], empty: Sequence[Round]) -> list[Figure]:
    costs = [one.us_each / other.us_each for one, other in zip(full, empty, strict=True)]
    ratios = [one.per_s / other.per_s for one, other in zip(full, empty, strict=True)]
    return [
        Figure("charges a second, full journal", round(median(each.per_s for each in full)), "/s"),
        Figure("charges a second, empty journal", round(median(each.per_s for each in empty)), "/s"),
        Figure("full to empty", round(median(ratios), 3), "times", RATIO_MIN, "at least"),
        # On a machine that others use too, this is the ratio to look at.
        Figure("processor time of a charge, full journal", round(median(each.us_each for each in full)), "us"),
        Figure("processor time of a charge, empty journal", round(median(each.us_each for each in empty)), "us"),
        Figure("full to empty, processor time", round(median(costs), 3), "times", COST_MAX),
        Figure("p99 of a charge, full journal", round(median(each.p99_us for each in full) / 1_000, 1), "ms"),
        Figure("p99 of a charge, empty journal", round(median(each.p99_us for each in empty) / 1_000, 1), "ms"),
    ]


async def _load(shop: Shop, keys: Path, seconds: int) -> Round:
    used_s = shop.processor_s()
    process = await asyncio.create_subprocess_exec(
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        f"-s{SCRIPT}",
        shop.address,
        "--",
        str(keys),
        os.urandom(8).hex(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    said = (await process.stdout.read()).decode()
    await process.wait()
    done = msgspec.json.decode(said.strip().splitlines()[-1], type=Round)
    done.processor_s = shop.processor_s() - used_s
    return done
