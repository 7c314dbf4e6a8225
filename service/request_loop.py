"""A connection's requests, one after the other: aiohttp's `RequestHandler`, with two shortcuts for most of them.

    no task per request    Before Python 3.12 aiohttp starts a task for each request, to give it a context of its own,
                           which nothing here uses; the connection's own task does as well, and saves two turns of the
                           event loop. From 3.12 on such a task begins at once, and aiohttp is left alone.
    one piece per answer   An answer that is known as a whole is one head and one body, written at once, where aiohttp
                           goes through the states of a stream.

Whatever is not the plain case (a stream, HTTP/1.0, the last answer of a connection, HEAD) goes aiohttp's own way, and
both ways give the same bytes.

Private parts of aiohttp are touched: `_loop`, `_upgraded`, `_paused` and `_drain_helper` of the connection, `_body`,
`_keep_alive` and `_eof_sent` of a response. Its version is pinned by the lock, and the tests of this module fail if
one of them moves.
"""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http_writer import _serialize_headers

T = TypeVar("T")

NEEDS_NO_TASKS: Final = sys.version_info < (3, 12)
_WITHOUT_BODY: Final = frozenset({204, 304})


class InlineLoop:
    """The event loop as the requests of a connection see it: what they start as a task runs where it is awaited."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # Those that are asked for with every request are found here at once.
        self.create_future = loop.create_future
        self.call_at = loop.call_at
        self.time = loop.time

    def create_task(self, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        return work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class RequestLoop(web.RequestHandler):
    """Made for each connection. `inline` is shared by all of them."""

    __slots__ = ("_inline",)

    def __init__(self, manager: web.Server, inline: InlineLoop, **options: Any) -> None:
        super().__init__(manager, **options)
        self._inline = inline

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if NEEDS_NO_TASKS:
            # The connection's own task exists by now; it looks at its loop when it begins to run.
            self._loop = self._inline  # type: ignore[assignment]

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """The response, and whether the client has gone."""
        if type(resp) is not web.Response or self._upgraded or not _is_plain(request, resp):
            return await super().finish_response(request, resp, start_time)
        request._finish()
        body = resp._body
        headers = resp.headers
        headers[hdrs.CONTENT_LENGTH] = str(len(body))  # type: ignore[arg-type]
        headers[hdrs.DATE] = rfc822_formatted_time()
        head = _serialize_headers(f"HTTP/1.1 {resp.status} {resp.reason}", headers)
        resp._keep_alive = True
        resp._eof_sent = True
        transport = self.transport
        if transport is None or transport.is_closing():
            return resp, True
        transport.write(head + body)  # type: ignore[operator]
        if self._paused:
            try:
                await self._drain_helper()
            except ConnectionError:
                return resp, True
        return resp, False


def _is_plain(request: web.BaseRequest, response: web.Response) -> bool:
    """A whole body of bytes, on a connection that goes on."""
    return (
        response._keep_alive is None
        and request.keep_alive
        and request.version == HttpVersion11
        and isinstance(response._body, bytes)
        and request.method != hdrs.METH_HEAD
        and response.status not in _WITHOUT_BODY
        and hdrs.CONTENT_TYPE in response.headers
        and hdrs.SERVER in response.headers
        and not response.prepared
        and not response._compression
        and not response._cookies
    )
