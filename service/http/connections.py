"""Connections: how many may be open, how long they may keep us waiting, and what is said to those that are not HTTP.

A client holds a connection only while it moves. Cut off are, by one look at all of them each second:

    a head that is not whole    `head_timeout_s` after the connection began, or after the first byte of a later head
    an answer that is not read  `stuck_timeout_s` after the client was last seen to have taken some of it

and, by timers that aiohttp has anyway, what has been idle for `idle_timeout_s`. Bodies have their bound where they
are read (`service.http.decode`). A request costs nothing for this but one comparison when its bytes arrive.

Above `open_max`, and for one address above `per_address_max`, a new connection is answered 503 `overloaded` before
anything is read from it. All addresses of an IPv6 subscriber count as one. Proxies that are trusted speak for many, and
are held to the first bound only.

aiohttp is subclassed at a seam that is partly private; its version is pinned by the lock, and the tests of this
module fail if it moves: `RequestHandler._waiter` (pending while it waits for a head), `._request_count` (heads
that were whole) and `._force_close`, and the method `handle_error`, which makes its plain-text answers.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, cast

from aiohttp import hdrs, web
from aiohttp.http_exceptions import LineTooLong

from service.http.bounds import Bounds
from service.http.client_address import subscriber_of
from service.http.headers import given_request_id, request_ids
from service.http.request_loop import FixedRoutes, RequestLoop
from service.problems import Problem, ProblemCode, not_found

log = logging.getLogger(__name__)

_REFUSALS_MAX: Final = 128
"""Refused connections that are still told so; those beyond are closed without a word."""


_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connections:
    """All connections of one server; `protocol` makes one for each client that connects."""

    def __init__(
        self,
        server: web.Server,
        bounds: Bounds,
        is_trusted: Callable[[str], bool] = lambda address: False,
        fixed_routes: FixedRoutes | None = None,
    ) -> None:
        """`is_trusted` tells whether an address is that of a proxy of ours."""
        self.server = server
        self.bounds = bounds
        self.fixed_routes = fixed_routes or {}
        self._is_trusted = is_trusted
        self._loop = asyncio.get_running_loop()
        self._open: dict[Connection, None] = {}
        self._refusals: dict[Refusal, None] = {}
        self._per_address: Counter[str] = Counter()
        self._cut: Counter[str] = Counter()
        self.new_request_id = request_ids()
        server.request_handler = self._answered_by(server.request_handler)

    def __len__(self) -> int:
        return len(self._open)

    def answering(self) -> "set[Connection]":
        """Those whose request is being answered."""
        return {connection for connection in self._open if connection.is_answering}

    def protocol(self) -> asyncio.Protocol:
        if len(self._open) >= self.bounds.open_max:
            return Refusal(self)
        return Connection(self)

    def _answered_by(self, handler: _Handler) -> _Handler:
        """By the application; but a target that is no path (`OPTIONS *`, CONNECT) matches not even its last route,
        and aiohttp would answer in words of its own."""

        def answer(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
            return handler(request) if request.rel_url.raw_path.startswith("/") else self._nothing_there(request)

        return answer

    async def _nothing_there(self, request: web.BaseRequest) -> web.StreamResponse:
        return self.last_words(request, not_found())

    def last_words(self, request: web.BaseRequest, problem: Problem) -> web.Response:
        """To a request that never reached a route; the connection ends with it. Of one that is not HTTP no id is
        known."""
        answer = problem.response(given_request_id(request) or self.new_request_id())
        answer.is_last = True
        response = answer.for_aiohttp()
        response.headers[hdrs.CONNECTION] = "close"
        return response

    # --- what connections tell --------------------------------------------------------------------------------

    def may_open(self, address: str) -> bool:
        return self._per_address[subscriber_of(address)] < self.bounds.per_address_max or self._is_trusted(address)

    def opened(self, connection: "Connection") -> None:
        self._open[connection] = None
        self._per_address[subscriber_of(connection.address)] += 1

    def closed(self, connection: "Connection") -> None:
        if connection in self._open:
            del self._open[connection]
            subscriber = subscriber_of(connection.address)
            self._per_address[subscriber] -= 1
            if not self._per_address[subscriber]:
                del self._per_address[subscriber]

    def may_refuse(self, refusal: "Refusal") -> bool:
        """False when too many are being refused to talk to each."""
        self._cut["refused"] += 1
        if len(self._refusals) >= _REFUSALS_MAX:
            return False
        self._refusals[refusal] = None
        return True

    def refused(self, refusal: "Refusal") -> None:
        self._refusals.pop(refusal, None)

    # --- once a second ----------------------------------------------------------------------------------------

    async def sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(self.bounds.sweep_interval_s)
            self.sweep(self._loop.time())

    def sweep(self, now: float) -> None:
        """Cuts off what is overdue: 16,000 connections in 5 ms."""
        for connection in list(self._open):
            if (fault := connection.overdue(now)) is not None:
                self._cut[fault] += 1
                connection.cut()
        for refusal in list(self._refusals):
            if now - refusal.since > self.bounds.refusal_timeout_s:
                refusal.cut()
        if self._cut:
            # One line, however many there were: a flood must not flood the log.
            log.warning("connections_cut", extra={**self._cut, "open": len(self._open)})
            self._cut.clear()


class Connection(RequestLoop):
    """One client's connection, which knows since when its client keeps it waiting."""

    __slots__ = ("_connections", "_head_number", "_since", "_stuck_since", "_unsent", "_wire", "address")

    def __init__(self, connections: Connections) -> None:
        super().__init__(
            connections.server,
            connections.fixed_routes,
            loop=asyncio.get_running_loop(),
            access_log=None,  # None is "none" to aiohttp, whose annotation forgets it
            keepalive_timeout=connections.bounds.idle_timeout_s,
            auto_decompress=False,
        )
        self._connections = connections
        self._wire: asyncio.Transport | None = None
        """aiohttp forgets the transport when it closes it, which may be long before it is closed."""
        self._head_number = 0
        self._since = 0.0
        """When the head that is the connection's number `_head_number` began."""
        self._stuck_since: float | None = None
        """When it was last seen that the client has taken something of what is held for it; None: nothing is."""
        self._unsent = 0
        """Bytes that were held for the client at the last look."""
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        if not self._connections.may_open(self.address):
            refusal = Refusal(self._connections)
            transport.set_protocol(refusal)
            refusal.connection_made(transport)
            return
        self._wire = transport
        self._since = self._loop.time()
        self._connections.opened(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiter = self._waiter
        # Bytes have come, and it waits still: a head has begun. Not so the first head of a connection, whose time
        # counts from the connection's beginning.
        if waiter is not None and self._head_number != self._request_count and not waiter.done():
            self._head_number = self._request_count
            self._since = self._loop.time()

    def resume_writing(self) -> None:
        self._stuck_since = None
        super().resume_writing()

    @property
    def is_answering(self) -> bool:
        return self._request_in_progress

    def overdue(self, now: float) -> str | None:
        """What the client has been too slow with, in a word for the log."""
        wire, bounds = self._wire, self._connections.bounds
        assert wire is not None
        if self.writing_paused or wire.is_closing():
            # Nobody writes meanwhile, so what is left grows less only as the client takes it.
            unsent = wire.get_write_buffer_size()
            if self._stuck_since is None or unsent < self._unsent:
                self._stuck_since = now
            self._unsent = unsent
            return "unread_answers" if now - self._stuck_since > bounds.stuck_timeout_s else None
        waiter = self._waiter
        if waiter is None or waiter.done() or self._head_number != self._request_count:
            return None
        return "slow_heads" if now - self._since > bounds.head_timeout_s else None

    def cut(self) -> None:
        """At once: what it has not read by now it will not read."""
        assert self._wire is not None
        self.force_close()
        self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What never reached a route: bytes that are not HTTP (400), or a bug (500). The connection ends with it."""
        if request.writer.output_size > 0:
            raise ConnectionError("An answer has begun; another one cannot follow.")
        if status >= 500:
            log.error("request_failed", exc_info=exc)
            problem = Problem(ProblemCode.INTERNAL_ERROR)
        elif isinstance(exc, LineTooLong):
            problem = Problem(ProblemCode.MALFORMED_REQUEST, "The head of the request is too large.")
        else:
            # aiohttp's own text would repeat what was sent.
            problem = Problem(ProblemCode.MALFORMED_REQUEST, "The request is not HTTP as it should be.")
        return self._connections.last_words(request, problem)


class Refusal(asyncio.Protocol):
    """A connection beyond the bounds: told so, listened to no more, and closed when its client has read it."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._wire: asyncio.Transport | None = None
        self.since = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)
        self._wire = transport
        if not self._connections.may_refuse(self):
            transport.abort()
            return
        transport.write(_refusal(self._connections.new_request_id()))
        transport.write_eof()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.refused(self)

    def cut(self) -> None:
        if self._wire is not None:
            self._wire.abort()


def _refusal(request_id: str) -> bytes:
    detail = "Too many connections are open; nothing was applied."
    return Problem(ProblemCode.OVERLOADED, detail, headers={hdrs.CONNECTION: "close"}).response(request_id).encoded()
