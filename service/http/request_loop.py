"""A connection's requests, one after the other: aiohttp's `RequestHandler` with a loop of our own.

aiohttp's loop serves any application. Two things, for nearly all requests of this one, save an eighth of the processor
time of a charge:

    routes without parameters   are found by one look-up of method and path, with no router in between
    a `JsonResponse`            is written in one piece, where aiohttp goes through the states of a stream

Whatever else comes (a parameter in the path, a query, `Expect`) is given to the application, and whatever else is
answered (a stream, HTTP/1.0, the last answer of a connection, HEAD) is left to aiohttp, with the same bytes. A request
runs in the task of its connection, so nothing of it may be kept in context variables.

Private parts of aiohttp are touched, those of `RequestHandler` that its own `start` works with, and the pieces that a
`StreamReader` holds. Its version is pinned by the lock, and the tests of this module fail if one of them moves.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import ERROR, _ErrInfo

from service.http.json_response import JsonResponse

Answer: TypeAlias = JsonResponse | web.StreamResponse
Answerer: TypeAlias = Callable[[web.Request], Awaitable[Answer]]
_Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
FixedRoutes: TypeAlias = dict[tuple[str, str], Answerer]
"""By method and path: routes without parameters. None is for HEAD."""
FIXED_ROUTES: Final = web.AppKey("fixed_routes", FixedRoutes)
"""Where an application keeps its own."""

_LINGERING_S: Final = 1.0
"""How long the rest of a body that nobody has read is taken in, so that its sender can read the answer."""


class RequestLoop(web.RequestHandler):
    """Made for each connection. `fixed_routes` is shared by all of them."""

    __slots__ = ("_fixed_routes",)

    def __init__(self, manager: web.Server, fixed_routes: FixedRoutes, **options: Any) -> None:
        super().__init__(manager, **options)
        self._fixed_routes = fixed_routes

    async def start(self) -> None:
        """Answers until the connection is to end. aiohttp runs this as a task of the connection."""
        loop, manager, make_request = self._loop, self._manager, self._request_factory
        assert manager is not None
        assert make_request is not None
        while not self._force_close:
            if not self._messages:
                self._waiter = loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, payload = self._messages.popleft()
            self._make_room_for_messages()
            manager.requests_count += 1

            known = ERROR if isinstance(message, _ErrInfo) else message
            # It asks for the task in order to break the bond again, which is done below.
            request = make_request(known, payload, self, StreamWriter(self, loop), self._task_handler)  # type: ignore[arg-type]
            try:
                goes_on = await self._answered(request, message)
                if not payload.is_eof():
                    await self._take_in(payload)
            except ConnectionError:
                break
            except asyncio.CancelledError:
                self.force_close()
                raise
            except Exception as bug:
                self.log_exception("Unhandled exception", exc_info=bug)
                self.force_close()
                break
            except BaseException:
                self.force_close()
                raise
            finally:
                request._task = None  # type: ignore[assignment]

            if not goes_on or self._close or self._force_close:
                break
            self._next_keepalive_close_time = loop.time() + self._keepalive_timeout
            if self._keepalive_handle is None:
                self._keepalive_handle = loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    def _answered(self, request: web.BaseRequest, message: RawRequestMessage | _ErrInfo) -> Awaitable[bool]:
        """Tells, once the answer is written, whether the connection goes on after it."""
        if isinstance(message, _ErrInfo):
            return self._answer(request, self._make_error_handler(message))
        if hdrs.EXPECT not in message.headers:
            answerer = self._fixed_routes.get((message.method, message.path))
            if answerer is not None:
                return self._answer_fixed(request, message, answerer)
        assert self._request_handler is not None
        return self._answer(request, self._request_handler)

    async def _answer_fixed(self, request: web.BaseRequest, message: RawRequestMessage, answerer: Answerer) -> bool:
        assert isinstance(request, web.Request)
        self._current_request = request
        self._request_in_progress = True
        try:
            try:
                answer = await answerer(request)
            except Exception as bug:  # One that is not even met by `service.endpoint`.
                answer = self.handle_error(request, 500, bug)
            if isinstance(answer, JsonResponse):
                if not (answer.is_last or message.should_close or message.version != HttpVersion11 or self._upgraded):
                    transport = self.transport
                    if transport is None or transport.is_closing():
                        return False
                    transport.write(answer.encoded())
                    if self._paused:
                        await self._drain_helper()
                    return True
                answer = answer.for_aiohttp()
            return self._goes_on(*await self.finish_response(request, answer, None))
        finally:
            self._current_request = None
            self._request_in_progress = False
            if self._handler_waiter is not None:
                self._handler_waiter.set_result(None)

    async def _answer(self, request: web.BaseRequest, handler: _Handler) -> bool:
        """By the application, or what is no HTTP."""
        return self._goes_on(*await self._handle_request(request, None, handler))

    def _goes_on(self, response: web.StreamResponse, is_client_gone: bool) -> bool:
        self._keepalive = bool(response.keep_alive)
        return self._keepalive and not is_client_gone

    def _make_room_for_messages(self) -> None:
        """One message fewer waits: the parser may go on, and the transport with it."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    async def _take_in(self, payload: StreamReader) -> None:
        """What nobody has read of a body; a sender that takes too long with it has to connect again."""
        try:
            async with asyncio.timeout(_LINGERING_S):
                while not payload.is_eof() and not self._force_close:
                    await payload.readany()
        except TimeoutError:
            self.close()


def body_at_hand(content: StreamReader) -> bytes | None:
    """The whole body, when it has come in one piece, mostly together with the head; else None, and nothing is taken.

    The reader's own way would ask the parser for more, though there is none."""
    if content is EMPTY_PAYLOAD:
        return b""
    pieces = content._buffer
    if not content._eof or content._exception or len(pieces) != 1 or content._size > content._low_water:
        return None
    content._size = 0
    return pieces.popleft()
