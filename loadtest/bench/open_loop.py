"""The load whose rate does not depend on the answers: requests come when they are due, as customers do.

A closed loop asks less when the service is slow, and so does not see how long others would have waited. Here the
arrivals are drawn beforehand (a Poisson process), and a request's latency counts from the moment at which it was due,
not from when a connection was free to send it (Tene's "coordinated omission").

The client shares the machine and its own event loop with nothing but its connections; what it costs there, and the
millisecond in which its timer is precise, are part of the latencies.
"""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate
from random import Random
from typing import Final

from msgspec import Struct

from loadtest.harness.response import Answer
from loadtest.harness.wire import Message, Wire

TICK_S: Final = 0.001
IN_FLIGHT_MAX: Final = 128
ANSWER_TIMEOUT_S: Final = 30


class NothingAnswered(Exception):
    """Not one request was answered by a 2xx: there is no latency to speak of."""


class Latency(Struct, frozen=True):
    """One run at one offered rate; times in ms from when a request was due to its whole answer."""

    share_of_peak: float
    round: int
    offered_per_s: float
    answered_per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    faults: int
    """Requests that were not answered by a 2xx."""


class Observed(Struct, frozen=True):
    latencies_ms: list[float]
    """Of all that were answered by a 2xx, in ascending order."""
    seconds: float
    """From the first arrival to the last answer."""
    faults: int


def arrivals(rate_per_s: float, seconds: float, random: Random) -> list[float]:
    """Seconds from the beginning; a Poisson process."""
    gaps = (random.expovariate(rate_per_s) for _ in range(int(rate_per_s * seconds)))
    return list(accumulate(gaps))


def percentile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not pass."""
    rank = -int(-share * len(ascending) // 1)  # rounded up
    return ascending[max(rank, 1) - 1]


async def play(
    url: str, due: Sequence[float], messages: Iterator[Message], *, in_flight_max: int = IN_FLIGHT_MAX
) -> Observed:
    """Sends the next of `messages` at each moment of `due`; one that finds no room waits, and its latency goes on."""
    wire = Wire(url, timeout_s=ANSWER_TIMEOUT_S)
    gc.collect()
    gc.disable()  # a pause of ours would count as the service's
    try:
        return await _Load(wire, messages, in_flight_max).run(due)
    finally:
        gc.enable()
        await wire.close()


class _Load:
    def __init__(self, wire: Wire, messages: Iterator[Message], in_flight_max: int) -> None:
        self._wire = wire
        self._messages = messages
        self._in_flight_max = in_flight_max
        self._in_flight = 0
        self._waiting: deque[int] = deque()
        """When they were due (monotonic nanoseconds)."""
        self._latencies_ms: list[float] = []
        self._faults = 0
        self._answered = asyncio.Event()

    async def run(self, due: Sequence[float]) -> Observed:
        begin_ns = time.monotonic_ns()
        for after_s in due:
            due_ns = begin_ns + round(1e9 * after_s)
            while (early_ns := due_ns - time.monotonic_ns()) > 0:
                await asyncio.sleep(max(early_ns / 1e9, TICK_S))
            self._waiting.append(due_ns)
            self._send()
        while self._in_flight:
            self._answered.clear()
            await self._answered.wait()
        return Observed(sorted(self._latencies_ms), (time.monotonic_ns() - begin_ns) / 1e9, self._faults)

    def _send(self) -> None:
        while self._waiting and self._in_flight < self._in_flight_max:
            self._in_flight += 1
            self._wire.send(next(self._messages), partial(self._note, self._waiting.popleft()))

    def _note(self, due_ns: int, answer: Answer | None, answered_ns: int) -> None:
        if answer is not None and 200 <= answer.status < 300:
            self._latencies_ms.append((answered_ns - due_ns) / 1e6)
        else:
            self._faults += 1
        self._in_flight -= 1
        self._answered.set()
        self._send()
