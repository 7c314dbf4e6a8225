"""The outlet: the socket of one stream, written to without waiting.

The feed serves a thousand streams in a row, so a write must be a plain step: aiohttp's own is a coroutine. This one
puts the bytes on the transport as aiohttp would, in chunks where the client speaks HTTP/1.1. The transport passes
them to the kernel at once; when the kernel does not take all of it the outlet `is_full`, and nobody writes until it
has `drained`.
"""

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter


class Outlet:
    """Made once the head of the response has been sent; the end of the body is aiohttp's to write."""

    def __init__(self, request: web.Request, transport: asyncio.Transport, writer: AbstractStreamWriter) -> None:
        # Anything that the kernel leaves behind makes it full.
        transport.set_write_buffer_limits(high=0)
        self._transport: Final = transport
        self._protocol: Final = request.protocol
        self._writer: Final = writer
        self._is_chunked: Final = request.version >= (1, 1)
        self._draining: asyncio.Future[None] | None = None

    @property
    def is_gone(self) -> bool:
        return self._protocol.transport is None or self._transport.is_closing()

    @property
    def is_full(self) -> bool:
        return self._protocol.writing_paused

    def write(self, data: bytes) -> None:
        """What is written to a client that has gone is lost, as with any network."""
        if not self.is_gone:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    async def drained(self, within_s: float) -> None:
        """Waits until it is not full any more, or has gone, or the time is over."""
        if self._draining is None:
            # Not cancelled with whoever waits: aiohttp's protocol would be left with a waiter that is over.
            self._draining = asyncio.ensure_future(self._writer.drain())
            self._draining.add_done_callback(self._drained)
        await asyncio.wait([self._draining], timeout=within_s)

    def _drained(self, draining: "asyncio.Future[None]") -> None:
        self._draining = None
        if not draining.cancelled():
            draining.exception()  # Of a client that has gone; `is_gone` says so.

    def cut(self) -> None:
        """Ends the connection without a word; what is not sent yet never will be."""
        self._transport.abort()
