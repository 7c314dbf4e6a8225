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
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import Final, cast
from urllib.parse import urlsplit

from msgspec import Struct

TICK_S: Final = 0.001
CONNECTIONS: Final = 128
ANSWER_TIMEOUT_S: Final = 30


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
    url: str, due: Sequence[float], requests: Iterator[bytes], *, connections: int = CONNECTIONS
) -> Observed:
    """Sends the next of `requests`, whole HTTP requests as bytes, at each moment of `due`. One that finds no free
    connection waits for it, and its latency goes on. Ends early when every connection was closed."""
    host, _, port = urlsplit(url).netloc.partition(":")
    load = _Load(requests)
    loop = asyncio.get_running_loop()
    made = []
    gc.collect()
    gc.disable()  # a pause of ours would count as the service's
    try:
        for _ in range(connections):
            _, connection = await loop.create_connection(lambda: _Connection(load.free, load.lost), host, int(port))
            made.append(connection)
        load.add(made)
        return await load.run(due)
    finally:
        gc.enable()
        for connection in made:
            connection.close()


class _Load:
    """Hands what is due to idle connections, oldest first."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._idle: deque[_Connection] = deque()
        self._connected = 0
        self._requests = requests
        self._waiting: deque[float] = deque()
        self._latencies_ms: list[float] = []
        self._faults = 0
        self._open = 0
        """Requests that are neither answered nor failed."""
        self._progress = asyncio.Event()

    def add(self, connections: Sequence["_Connection"]) -> None:
        self._idle.extend(connections)
        self._connected += len(connections)

    async def run(self, due: Sequence[float]) -> Observed:
        self._open = len(due)
        begin = time.perf_counter()
        for after_s in due:
            at = begin + after_s
            while (early_s := at - time.perf_counter()) > 0:
                await asyncio.sleep(max(early_s, TICK_S))
            self._waiting.append(at)
            self._send()
        deadline = time.perf_counter() + ANSWER_TIMEOUT_S
        while self._open and self._connected and time.perf_counter() < deadline:
            self._progress.clear()
            try:
                await asyncio.wait_for(self._progress.wait(), 1)
            except TimeoutError:
                continue
        seconds = time.perf_counter() - begin
        return Observed(sorted(self._latencies_ms), seconds, self._faults + self._open)

    def free(self, connection: "_Connection", due_at: float, is_good: bool) -> None:
        """The connection's request was answered."""
        self._settled(due_at, is_good)
        self._idle.append(connection)
        self._send()

    def lost(self, due_at: float | None) -> None:
        """A connection was closed, with this request on it, if any."""
        self._connected -= 1
        self._progress.set()
        if due_at is not None:
            self._settled(due_at, is_good=False)

    def _send(self) -> None:
        while self._waiting and self._idle:
            connection = self._idle.popleft()
            if not connection.is_closed:
                connection.send(next(self._requests), self._waiting.popleft())

    def _settled(self, due_at: float, is_good: bool) -> None:
        if is_good:
            self._latencies_ms.append(1000 * (time.perf_counter() - due_at))
        else:
            self._faults += 1
        self._open -= 1
        self._progress.set()


class _Connection(asyncio.Protocol):
    """HTTP/1.1 as far as our own service speaks it: one request at a time, answers with a Content-Length."""

    def __init__(
        self, on_answer: Callable[["_Connection", float, bool], None], on_lost: Callable[[float | None], None]
    ) -> None:
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._due_at: float | None = None
        self.is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._on_lost(self._due_at)

    def send(self, request: bytes, due_at: float) -> None:
        assert self._transport is not None
        assert self._due_at is None
        self._due_at = due_at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _content_length(head):
            return
        due_at, self._due_at, self._received = self._due_at, None, b""
        assert due_at is not None
        self._on_answer(self, due_at, head.startswith(b"HTTP/1.1 2"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0])
