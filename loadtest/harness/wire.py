"""The wire: HTTP/1.1 on kept connections, with as little work for a request as there can be.

What measures must cost less than what is measured. A general client makes a task, a timer and a dozen objects for
every request; here a request is one write, and its answer one call. One request at a time is on a connection, so that
answers cannot be mistaken for each other; as many connections are open as requests are in flight. A request that is
not answered in time, or whose connection breaks, has no answer: nobody knows what became of it.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

from msgspec import Struct

from loadtest.harness.response import Answer, MalformedAnswer, ResponseReader

SWEEP_S: Final = 0.25
CONNECTING_AT_ONCE_MAX: Final = 64
"""What a listening socket's queue bears, whatever it is behind."""

Done = Callable[[Answer | None, int], None]
"""Called with the answer, or None, and the monotonic nanoseconds at which it was there or given up."""


class Message(Struct, frozen=True, gc=False):
    """A request without what every request to this address has."""

    method: str
    path: str
    credential: str
    key: str | None = None
    body: bytes | None = None


class Wire:
    def __init__(self, url: str, *, timeout_s: float) -> None:
        """`url`: http or https, with the path that stands before `/v1`, if any."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = parts.path.rstrip("/")
        self._named = parts.netloc.rpartition("@")[2]
        self._timeout_ns = round(timeout_s * 1e9)
        self._idle: list[Connection] = []
        self._busy: deque[tuple[int, Connection, int]] = deque()
        """(deadline, connection, its request's number): in the order of their deadlines, as all have the same time."""
        self._connecting = asyncio.Semaphore(CONNECTING_AT_ONCE_MAX)
        self._opening: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self.connections = 0

    def send(self, message: Message, done: Done) -> None:
        """`done` is called once, whatever happens."""
        encoded = self._encoded(message)
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closing:
                self._use(connection, encoded, done)
                return
        task = asyncio.get_running_loop().create_task(self._open(encoded, done))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def free(self, connection: "Connection") -> None:
        self._idle.append(connection)

    def gone(self, connection: "Connection") -> None:
        self.connections -= 1
        if connection in self._idle:
            self._idle.remove(connection)

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for task in list(self._opening):
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in [*self._idle, *(connection for _, connection, _ in self._busy)]:
            connection.abort()

    async def _open(self, encoded: bytes, done: Done) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with self._connecting, asyncio.timeout(self._timeout_ns / 1e9):
                _, connection = await loop.create_connection(
                    lambda: Connection(self), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError):
            done(None, time.monotonic_ns())
            return
        self.connections += 1
        if connection.is_closing:
            done(None, time.monotonic_ns())
            return
        self._use(connection, encoded, done)

    def _use(self, connection: "Connection", encoded: bytes, done: Done) -> None:
        number = connection.ask(encoded, done)
        self._busy.append((time.monotonic_ns() + self._timeout_ns, connection, number))
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Gives up what has taken too long, and forgets what is over."""
        now_ns = time.monotonic_ns()
        while self._busy:
            deadline_ns, connection, number = self._busy[0]
            if connection.is_asking(number):
                if deadline_ns > now_ns:
                    break
                connection.abort()
            self._busy.popleft()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep) if self._busy else None

    def _encoded(self, message: Message) -> bytes:
        lines = [
            f"{message.method} {self._path}{message.path} HTTP/1.1",
            f"Host: {self._named}",
            f"Authorization: Bearer {message.credential}",
        ]
        if message.key is not None:
            lines.append(f"Idempotency-Key: {message.key}")
        body = message.body or b""
        if message.body is not None:
            lines.append("Content-Type: application/json")
        if message.method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join((*lines, "", "")).encode() + body


class Connection(asyncio.Protocol):
    """One connection, and the request that is on it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._transport: asyncio.Transport
        self._reader = ResponseReader()
        self._done: Done | None = None
        self._number = 0

    def ask(self, encoded: bytes, done: Done) -> int:
        """Sends it; returns the request's number on this connection."""
        assert self._done is None
        self._done = done
        self._number += 1
        self._transport.write(encoded)
        return self._number

    @property
    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def is_asking(self, number: int) -> bool:
        return self._done is not None and self._number == number

    def abort(self) -> None:
        self._transport.abort()

    # --- called by the event loop -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's by what they do, not by what they inherit.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        answered_ns = time.monotonic_ns()
        if self._done is None:
            # Nobody asked: whatever it is, the connection cannot be trusted any more.
            self._transport.abort()
            return
        try:
            answer = self._reader.feed(data)
        except MalformedAnswer:
            self._transport.abort()
            return
        if answer is not None:
            self._finish(answer, answered_ns)

    def eof_received(self) -> None:
        answer = self._reader.end()
        if answer is not None and self._done is not None:
            self._finish(answer, time.monotonic_ns())

    def connection_lost(self, error: Exception | None) -> None:
        self._wire.gone(self)
        done, self._done = self._done, None
        if done is not None:
            done(None, time.monotonic_ns())

    def _finish(self, answer: Answer, answered_ns: int) -> None:
        done, self._done = self._done, None
        assert done is not None
        # Before anything else is asked, so that the next request finds it.
        if answer.is_last:
            self._transport.close()
        elif not self._transport.is_closing():
            self._wire.free(self)
        done(answer, answered_ns)
