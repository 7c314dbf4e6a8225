"""A flood: charges over raw sockets from a process of its own, so cheap that it drowns a service on the same machine.

    python -m tests.torture.flood < order.json > report.json

Without a rate each connection asks again as soon as it is answered (a closed loop: how much can be done at most).
With one, so many requests a second are due whatever comes back (an open loop); a refusal is not waited out, and
what is due while every connection still waits for its answer was held back by the service.
"""

import asyncio
import resource
import sys
import time
from collections import Counter, deque
from typing import Final, cast

import msgspec
import uvloop
from msgspec import Struct, field

from tests.torture.process_state import cpu_seconds

AMOUNT: Final = "0.01"
_TICK_S: Final = 0.002
_PATIENCE_S: Final = 120.0
_CONNECTING_AT_ONCE: Final = 200
_CONNECTIONS_OF_AN_ADDRESS: Final = 4000
"""Fewer than the service lets one address open: the flood comes from many (127.0.0.2, 127.0.0.3 ...)."""
_REFUSED: Final = ("429", "503")


class Order(Struct, frozen=True):
    port: int
    credentials: list[str]
    """One for each seller; the connections are shared out among them."""
    connections: int
    seconds: float
    rate: float | None = None
    """Requests a second, all connections together."""
    run: str = ""
    """Makes the idempotency keys of this flood its own."""
    pid: int = 0
    """Of the service, whose time on the processor is told."""


class Report(Struct):
    began_at: float = 0.0
    """On the machine's monotonic clock: when the first of its requests was due."""
    seconds: float = 0.0
    cpu_s: float = 0.0
    """What the service worked meanwhile."""
    answers: dict[str, int] = field(default_factory=dict)
    """By status, up to the end of the time."""
    acknowledged: list[int] = field(default_factory=list)
    """Charges of each seller that were answered 201, those after the end of the time included."""
    held_back: int = 0
    """Were due while every connection was waiting."""
    without_retry_after: int = 0
    """Refusals that do not say when to come back."""
    broken: int = 0
    """Connections that ended under a request."""

    @property
    def goodput(self) -> float:
        """Charges a second."""
        return self.answers.get("201", 0) / self.seconds

    @property
    def goodput_of_cpu(self) -> float:
        """Charges for each second that the service was let work: what others do on the machine matters less."""
        return self.answers.get("201", 0) / self.cpu_s

    @property
    def offered(self) -> float:
        return (sum(self.answers.values()) + self.held_back) / self.seconds

    @property
    def refused(self) -> int:
        return sum(self.answers.get(status, 0) for status in _REFUSED)


async def flood(order: Order) -> Report:
    """Runs it in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.torture.flood", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(msgspec.json.encode(order))
    assert process.returncode == 0, "its complaint is on standard error"
    return msgspec.json.decode(output, type=Report)


class _Wire(asyncio.Protocol):
    """One connection: at most one request under way."""

    def __init__(self, sea: "_Sea", seller: int) -> None:
        self._sea = sea
        self._seller = seller
        self._received = b""
        self._is_asking = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    @property
    def is_closing(self) -> bool:
        assert self._transport is not None
        return self._transport.is_closing()

    def ask(self) -> None:
        assert self._transport is not None
        self._is_asking = True
        self._transport.write(self._sea.request(self._seller))

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        if end >= 0:
            place = received.find(b"Content-Length: ") + 16
            length = int(received[place : received.find(b"\r\n", place)])
            if len(received) >= end + 4 + length:
                self._received = b""
                self._is_asking = False
                self._sea.answered(self, self._seller, received[9:12].decode(), received[:end])
                return
        self._received = received

    def connection_lost(self, exc: Exception | None) -> None:
        self._sea.lost(self._is_asking)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


class _Sea:
    """All connections of one flood, and its count."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._idle: deque[_Wire] = deque()
        self._asking = 0
        self._is_closed_loop = False
        self._calm = asyncio.Event()
        self._keys = 0
        self._statuses: Counter[str] = Counter()
        self._report = Report(acknowledged=[0] * len(order.credentials))
        body = f'{{"phone_number":"+15550100001","amount":"{AMOUNT}"}}'
        self._heads = [
            (
                f"POST /v1/charges HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {credential}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: {order.run}-"
            ).encode()
            for credential in order.credentials
        ]
        self._tail = f"\r\n\r\n{body}".encode()

    async def run(self) -> Report:
        order, loop = self._order, asyncio.get_running_loop()
        wires = await self._connect()
        await self._greet(wires)
        self._report.began_at = time.monotonic()
        begin, cpu_s = loop.time(), cpu_seconds(order.pid)
        if order.rate is None:
            self._is_closed_loop = True
            while self._idle:
                self._ask(self._idle.popleft())
            await asyncio.sleep(order.seconds)
        else:
            await self._offer(order.rate, begin)
        self._report.answers = dict(self._statuses)
        self._report.seconds = loop.time() - begin
        self._report.cpu_s = cpu_seconds(order.pid) - cpu_s
        self._is_closed_loop = False
        await self._until_calm()
        for wire in wires:
            wire.close()
        return self._report

    async def _greet(self, wires: list[_Wire]) -> None:
        """A charge on each, before the time begins: a service accepts thousands of connections for a while."""
        for wire in wires:
            self._ask(wire)
        await self._until_calm()
        self._statuses.clear()

    async def _until_calm(self) -> None:
        self._calm.clear()
        if self._asking:
            async with asyncio.timeout(_PATIENCE_S):
                await self._calm.wait()

    async def _connect(self) -> list[_Wire]:
        loop, order = asyncio.get_running_loop(), self._order
        gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)

        async def connect(number: int) -> _Wire:
            source = f"127.0.0.{2 + number // _CONNECTIONS_OF_AN_ADDRESS}"
            async with gate:
                _, wire = await loop.create_connection(
                    lambda: _Wire(self, number % len(order.credentials)),
                    "127.0.0.1",
                    order.port,
                    local_addr=(source, 0),
                )
            return wire

        return list(await asyncio.gather(*(connect(number) for number in range(order.connections))))

    async def _offer(self, rate: float, begin: float) -> None:
        loop, due = asyncio.get_running_loop(), 0
        while (passed_s := loop.time() - begin) < self._order.seconds:
            new, due = int(rate * passed_s) - due, int(rate * passed_s)
            for _ in range(min(new, len(self._idle))):
                new -= self._ask(self._idle.popleft())
            self._report.held_back += new
            await asyncio.sleep(_TICK_S)

    def _ask(self, wire: _Wire) -> bool:
        """False when the service has closed what was idle too long."""
        if wire.is_closing:
            return False
        self._asking += 1
        wire.ask()
        return True

    # --- told by the connections ---

    def request(self, seller: int) -> bytes:
        self._keys += 1
        return b"%b%d%b" % (self._heads[seller], self._keys, self._tail)

    def answered(self, wire: _Wire, seller: int, status: str, head: bytes) -> None:
        self._asking -= 1
        self._statuses[status] += 1
        if status == "201":
            self._report.acknowledged[seller] += 1
        elif status in _REFUSED and b"Retry-After: " not in head:
            self._report.without_retry_after += 1
        if self._is_closed_loop:
            self._ask(wire)
        else:
            self._idle.append(wire)
            if not self._asking:
                self._calm.set()

    def lost(self, is_asking: bool) -> None:
        if is_asking:
            self._report.broken += 1
            self._asking -= 1
            if not self._asking:
                self._calm.set()


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    report = uvloop.run(_Sea(order).run())
    sys.stdout.buffer.write(msgspec.json.encode(report))


if __name__ == "__main__":
    main()
