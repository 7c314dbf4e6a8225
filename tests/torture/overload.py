"""Three times of what the service can do, from one seller, while another sells now and then.

What the service does at most (the peak) is measured before and after, for a machine does not stay the same. Under
the flood it goes on selling nearly as much, grows no more, tells whom it refuses when to come back, and the quiet
seller hardly notices. In the end the journal holds what was acknowledged, to the cent.

Thousands of connections cost something by themselves: what is known of each has left the processor's cache when it is
needed again. So what is sold over as many as may wait, with nobody refused, is told too (`crowd`).
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from statistics import mean, median
from typing import Final

import aiohttp
from msgspec import Struct
from msgspec.structs import replace

from tests.processes.running import ADMIN_PASSWORD, Client, new_seller
from tests.torture.flood import AMOUNT, Order, Report, flood
from tests.torture.instance import Instance
from tests.torture.process_state import main_thread_s, resident_bytes, slope
from tests.torture.trial import Row, ended

TIMES_CAPACITY: Final = 3
CONNECTIONS: Final = 4_000
IN_FLIGHT_MAX: Final = 2_000
"""Of one seller: the fewest that may be configured, so that a flood from one machine goes well beyond it."""
GOODPUT_OF_PEAK_MIN: Final = 0.9
QUIET_P99_S_MAX: Final = 0.1
MEMORY_GROWTH_MAX: Final = 0.05
"""From the first third of the flood on, as a share."""
CREDIT: Final = "100000000.00"
_PAUSE_S: Final = 0.02
_SAMPLE_S: Final = 0.2


class _Sale(Struct, frozen=True):
    asked_at: float
    took_s: float
    worked_s: float
    """How long the service worked, for whomever, between the request and its answer: what the wait would be on a
    machine that nobody else uses."""


class Quiet:
    """A seller who sells one charge at a time."""

    def __init__(self, client: Client, pid: int) -> None:
        self._client = client
        self._pid = pid
        self._sales: list[_Sale] = []
        self.refused = 0

    def sales_of(self, flooded: Report) -> list["_Sale"]:
        """Those asked for in its time. Around it all is calm, and they are answered sooner and so are more."""
        ends_at = flooded.began_at + flooded.seconds
        return [sale for sale in self._sales if flooded.began_at <= sale.asked_at < ends_at]

    @asynccontextmanager
    async def selling(self) -> AsyncIterator[None]:
        async def sell() -> None:
            while True:
                asked_at, worked_s = time.monotonic(), main_thread_s(self._pid)
                status, _, _, _ = await self._client.charge("0.01")
                took_s, worked_s = time.monotonic() - asked_at, main_thread_s(self._pid) - worked_s
                self._sales.append(_Sale(asked_at, took_s, worked_s))
                self.refused += status != 201
                await asyncio.sleep(_PAUSE_S)

        task = asyncio.create_task(sell())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


async def overload(
    folder: Path,
    seed: int,
    seconds: float,
    *,
    rounds: int = 1,
    peak_s: float = 5.0,
    peak_connections: Sequence[int] = (64, 256, 1024),
) -> Row:
    """`seconds` of the flood, in each of the rounds; the peak is the most of what so many connections get, each tried
    for `peak_s` before and after each round. Of several rounds the one in the middle counts."""
    instance = Instance(folder, {"CHARGE_SHOP_SELLER_IN_FLIGHT_MAX": str(IN_FLIGHT_MAX)})
    row = Row(f"overload: {TIMES_CAPACITY} times of what it can do", seed, done={"seconds": round(seconds)})
    async with ended(instance), aiohttp.ClientSession() as session:
        await instance.start()
        admin = await Client(session, instance.url).signed_in("admin", ADMIN_PASSWORD)
        _, loud = await new_seller(admin, CREDIT, "loud")
        _, quiet_client = await new_seller(admin, CREDIT, "quiet")
        assert loud.token is not None
        order = Order(instance.port, [loud.token], 0, peak_s, pid=instance.pid)
        quiet = Quiet(quiet_client, instance.pid)
        memory: list[tuple[float, float]] = []

        async def peak(when: int) -> list[Report]:
            return [await flood(replace(order, connections=each, run=f"{when}-{each}")) for each in peak_connections]

        peaks, floods = [await peak(0)], []
        for number in range(1, rounds + 1):
            rate = TIMES_CAPACITY * max(each.goodput for each in peaks[-1])
            flooding = replace(order, connections=CONNECTIONS, seconds=seconds, rate=rate, run=f"flood-{number}")
            async with quiet.selling(), _sampled(instance.pid, memory):
                floods.append(await flood(flooding))
            peaks.append(await peak(number))
        crowd = await flood(replace(order, connections=IN_FLIGHT_MAX, run="crowd"))

        _judge(row, [_Round(*measured) for measured in zip(peaks, floods, peaks[1:], strict=False)], quiet, memory)
        row.figures["crowd_per_s"] = round(crowd.goodput)
        row.figures["goodput_of_crowd"] = round(floods[-1].goodput / crowd.goodput, 3)
        if crowd.refused or crowd.broken:
            row.faults.append(f"of a crowd that has room {crowd.refused} were refused, {crowd.broken} cut off")
        await _check_books(row, loud, [*floods, crowd, *(each for reports in peaks for each in reports)], instance)
    return row


class _Round(Struct, frozen=True):
    before: list[Report]
    flooded: Report
    after: list[Report]

    @property
    def peak(self) -> float:
        return mean(max(each.goodput for each in measured) for measured in (self.before, self.after))

    @property
    def of_peak(self) -> float:
        return self.flooded.goodput / self.peak

    @property
    def of_peak_by_cpu_time(self) -> float:
        peak = mean(max(each.goodput_of_cpu for each in measured) for measured in (self.before, self.after))
        return self.flooded.goodput_of_cpu / peak


@asynccontextmanager
async def _sampled(pid: int, memory: list[tuple[float, float]]) -> AsyncIterator[None]:
    """(time, bytes) of the process, again and again."""

    async def sample() -> None:
        while True:
            memory.append((time.monotonic(), resident_bytes(pid)))
            await asyncio.sleep(_SAMPLE_S)

    task = asyncio.create_task(sample())
    try:
        yield
    finally:
        task.cancel()


def _judge(row: Row, rounds: Sequence[_Round], quiet: Quiet, memory: list[tuple[float, float]]) -> None:
    """Fills in the figures, and names as a fault what is beyond its bound."""
    one = sorted(rounds, key=lambda each: each.of_peak)[len(rounds) // 2]
    flooded, peak = one.flooded, one.peak
    sales = quiet.sales_of(flooded)
    took_s, worked_s = [sale.took_s for sale in sales], [sale.worked_s for sale in sales]
    begin, end = flooded.began_at + flooded.seconds / 3, flooded.began_at + flooded.seconds
    steady = [(at, resident) for at, resident in memory if begin <= at < end]
    growth = slope(steady) * (steady[-1][0] - steady[0][0]) / steady[0][1]
    row.seconds = round(flooded.seconds, 1)
    row.requests = sum(flooded.answers.values())
    row.figures = {
        "peak_per_s": round(peak),
        "offered_per_s": round(flooded.offered),
        "goodput_per_s": round(flooded.goodput),
        "goodput_of_peak": round(one.of_peak, 3),
        "goodput_of_peak_by_cpu_time": round(median(each.of_peak_by_cpu_time for each in rounds), 3),
        "refused": flooded.refused,
        "flood_mean_wait_ms": round(CONNECTIONS / (row.requests / flooded.seconds) * 1000),
        "quiet_p99_ms": round(_p99(took_s) * 1000, 1),
        "quiet_p99_worked_ms": round(_p99(worked_s) * 1000, 1),
        "quiet_charges": len(sales),
        "memory_mib": round(steady[-1][1] / 2**20, 1),
        "memory_growth": round(growth, 4),
    }
    if flooded.goodput < GOODPUT_OF_PEAK_MIN * peak:
        row.faults.append(f"goodput was {flooded.goodput:.0f} charges/s, of {peak:.0f} at the peak")
    if _p99(took_s) > QUIET_P99_S_MAX:
        row.faults.append(f"the quiet seller's p99 was {_p99(took_s) * 1000:.0f} ms")
    if growth > MEMORY_GROWTH_MAX:
        row.faults.append(f"memory grew by {growth:.1%}")
    if not flooded.refused:
        row.faults.append("nobody was refused: it was no flood")
    strange = set(flooded.answers) - {"201", "429", "503"}
    if strange or flooded.broken or flooded.without_retry_after or quiet.refused:
        row.faults.append(
            f"answers {flooded.answers}, {flooded.broken} connections broken, {quiet.refused} refusals of the quiet "
            f"seller, {flooded.without_retry_after} refusals that do not say when to come back"
        )


async def _check_books(row: Row, loud: Client, reports: Sequence[Report], instance: Instance) -> None:
    """What was acknowledged was sold, and what was refused was not."""
    row.acknowledged = sum(each.acknowledged[0] for each in reports)
    _, shown, _, _ = await loud.ask("GET", "/v1/balance")
    row.entries = shown["seq"]
    sold = Decimal(CREDIT) - Decimal(shown["available"])
    if sold != Decimal(AMOUNT) * row.acknowledged:
        row.faults.append(f"{row.acknowledged} charges of {AMOUNT} were acknowledged, {sold} was sold")
    if (found := await instance.verify()) is not None:
        row.faults.append(f"charge-shop verify: {found}")
