"""Measures: every workload once a round, one at a time, then the latencies at fractions of the peak."""

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct
from rich.console import Console

from loadtest.bench import open_loop, wrk
from loadtest.bench.comparisons import HALF, rate_of
from loadtest.bench.contenders import Contender
from loadtest.bench.copying import Copying
from loadtest.bench.open_loop import Latency, NothingAnswered, percentile
from loadtest.bench.processor import cpu_s
from loadtest.bench.shop import Shop
from loadtest.bench.spread import Spread, turns
from loadtest.bench.workloads import ContenderName, Copy, Measurement, Workload
from loadtest.harness.wire import Message

LATENCY: Final = "latency"
SHARES_OF_PEAK: Final = (0.25, HALF, 0.75, 0.9)


class Wishes(Struct, frozen=True, kw_only=True):
    """What the caller may choose."""

    rounds: int
    seconds: int
    """Of each workload in each round, and of each offered rate."""
    warm_up_s: int
    """Before each workload, not measured."""
    sellers: int
    connections: int
    """Of every load that has no number of its own."""
    copy_rows: int
    """Of each COPY, so that it takes about as long as the batches do."""
    latency_rounds: int
    workloads: tuple[Workload | Copy, ...]
    has_latency: bool


class Rounds:
    def __init__(
        self,
        wishes: Wishes,
        contenders: Mapping[ContenderName, Contender],
        shop: Shop,
        copying: Copying,
        folder: Path,
        console: Console,
    ) -> None:
        """`folder`: for the files that the scripts of wrk read."""
        self.measurements: list[Measurement] = []
        self.latencies: list[Latency] = []
        self._wishes = wishes
        self._contenders = contenders
        self._shop = shop
        self._copying = copying
        self._folder = folder
        self._console = console
        self._random = Random(1)
        self._runs = count(1)

    async def measure(self) -> None:
        """Raises WrkFailed or NothingAnswered."""
        wishes = self._wishes
        for number in range(1, wishes.rounds + 1):
            for workload in wishes.workloads:
                with self._console.status(f"round {number} of {wishes.rounds}: {workload.title}"):
                    await self._shop.settled()
                    if isinstance(workload, Copy):
                        rows_per_s = await self._copying.rows_per_s(workload.batch)
                        measurement = Measurement(workload.name, number, rows_per_s)
                    else:
                        measurement = await self._measure(workload, number)
                self.measurements.append(measurement)
                self._console.print(f"{number}  {workload.title:<28}{measurement.charges_per_s:>10,.0f} charges/s")
        peak = rate_of(self.measurements, "single")
        if peak is None or not wishes.has_latency:
            return
        for number in range(1, wishes.latency_rounds + 1):
            for share in SHARES_OF_PEAK:
                with self._console.status(f"latencies {number} of {wishes.latency_rounds}: {share:.0%} of the peak"):
                    latency = await self._observe(share, peak, number)
                self.latencies.append(latency)
                self._console.print(f"{number}  {latency.offered_per_s:>7,.0f}/s offered  p99 {latency.p99_ms:,.1f} ms")

    async def _measure(self, workload: Workload, number: int) -> Measurement:
        contender = self._contenders[workload.contender]
        if self._wishes.warm_up_s:
            await self._load(workload, contender, self._wishes.warm_up_s)
            await self._shop.settled()
        before_s = cpu_s(contender.pid)
        answered = await self._load(workload, contender, workload.times * self._wishes.seconds)
        took_s = cpu_s(contender.pid) - before_s
        return Measurement(
            workload.name,
            number,
            workload.charges_per_request * answered.requests / (answered.duration_us / 1e6),
            answered.requests,
            cpu_us=1e6 * took_s / answered.requests if answered.requests else None,
            p50_ms=answered.p50_us / 1000,
            p99_ms=answered.p99_us / 1000,
            faults=answered.not_2xx + answered.socket_errors,
        )

    async def _load(self, workload: Workload, contender: Contender, seconds: int) -> wrk.Answered:
        credentials = self._written(f"{workload.contender}.credentials", contender.credentials)
        order = self._written(f"{workload.spread}.turns", [str(turn + 1) for turn in self._turns(workload.spread)])
        return await wrk.load(
            workload.script,
            contender.url,
            seconds=seconds,
            connections=workload.connections or self._wishes.connections,
            arguments=[self._prefix(), credentials, order, workload.option],
        )

    async def _observe(self, share: float, peak: float, number: int) -> Latency:
        await self._shop.settled()
        due = open_loop.arrivals(share * peak, self._wishes.seconds, self._random)
        service = self._contenders["service"]
        observed = await open_loop.play(service.url, due, self._charges(service))
        ascending = observed.latencies_ms
        if not ascending:
            raise NothingAnswered(f"none of {len(due):,} requests was answered by a 2xx, at {share:.0%} of the peak")
        return Latency(
            share_of_peak=share,
            round=number,
            offered_per_s=share * peak,
            answered_per_s=len(ascending) / observed.seconds,
            p50_ms=percentile(ascending, 0.5),
            p90_ms=percentile(ascending, 0.9),
            p99_ms=percentile(ascending, 0.99),
            p999_ms=percentile(ascending, 0.999),
            faults=observed.faults,
        )

    def _charges(self, contender: Contender) -> Iterator[Message]:
        """The same requests that `load/charges.lua` makes."""
        prefix = self._prefix()
        turn_of = self._turns("even")
        for number in count():
            phone_number, amount = f"+98912{number * 7919 % 10**7:07d}", f"{number % 9 + 1}.{number % 100:02d}"
            yield Message(
                "POST",
                "/v1/charges",
                contender.credentials[turn_of[number % len(turn_of)]],
                f"{prefix}-{number}",
                f'{{"phone_number":"{phone_number}","amount":"{amount}"}}'.encode(),
            )

    def _prefix(self) -> str:
        """Of the idempotency keys of one run of load; no two runs share it."""
        return f"bench-{next(self._runs)}"

    def _turns(self, spread: Spread) -> list[int]:
        return turns(spread, self._wishes.sellers, Random(spread))

    def _written(self, name: str, lines: list[str]) -> Path:
        file = self._folder / name
        if not file.exists():
            file.write_text("".join(f"{line}\n" for line in lines))
        return file
