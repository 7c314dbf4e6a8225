"""A proxy between a service and its Postgres that hands each flush to whoever wants to do something to it.

    service --- TCP, 127.0.0.1 ---> FlushProxy --- Unix socket ---> Postgres

Everything but a flush passes unseen. A flush is held, whole, before a byte of it has reached the server; its
answer, up to ReadyForQuery (which Postgres sends when the COMMIT is done), is held before a byte of it comes
back. `on_flush` decides: it delivers, replies, cuts, in the order it likes, or takes its time between.

Whatever the proxy says of a fate it says as the witness that stands on the wire, not by asking the service.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.torture.wire import (
    BIND,
    DATA_ROW,
    ERROR,
    FLUSH_MARK,
    PARSE,
    QUERY,
    READY,
    SYNC,
    Message,
    bound,
    is_null,
    parsed,
    read_message,
    read_startup,
)

CONNECTION_ENDS: Final = (OSError, asyncio.IncompleteReadError)


class ServerGone(Exception):
    """The server ended the connection before it had answered."""


class Flush:
    """One flush on its way: the statement, or the COMMIT of several. At first nobody but us has it."""

    def __init__(self, link: "_Link", messages: Sequence[Message]) -> None:
        self._link = link
        self._messages = messages
        self._answer: list[Message] = []

    def deliver(self) -> None:
        """To the server."""
        self._link.send(b"".join(message.encoded for message in self._messages))

    async def answered(self) -> bool:
        """Waits for the server's answer, and says whether it has written: it was not fenced off, nor refused.
        Raises ServerGone."""
        while not self._answer or self._answer[-1].type != READY:
            message = await self._link.answers.get()
            if message is None:
                raise ServerGone
            self._answer.append(message)
        rows = [message for message in self._answer if message.type == DATA_ROW]
        return all(message.type != ERROR for message in self._answer) and not any(map(is_null, rows))

    def reply(self) -> None:
        """Gives the service the answer."""
        self._link.reply(b"".join(message.encoded for message in self._answer))

    def cut_service(self, *, is_reset: bool) -> None:
        """The service's side of the connection ends now, as when a process dies or, reset, as when a host forgets."""
        self._link.cut_service(is_reset=is_reset)

    def cut(self, *, is_reset: bool) -> None:
        """Both sides end now."""
        self._link.cut_service(is_reset=is_reset)
        self._link.cut_server()


async def let_pass(flush: Flush) -> None:
    """What becomes of a flush that nobody does anything to."""
    flush.deliver()
    with contextlib.suppress(ServerGone):
        await flush.answered()
    flush.reply()


class FlushProxy:
    """Listens on a port of its own from `start` to `close`."""

    def __init__(self, database_url: str) -> None:
        """`database_url` names a Unix socket."""
        self._upstream = urlsplit(database_url)
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.on_flush: Callable[[Flush], Awaitable[None]] = let_pass

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.cut_service(is_reset=False)
            link.cut_server()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """The database's, by way of us."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        credential = self._upstream.netloc.rpartition("@")[0]
        return f"postgresql://{credential}@127.0.0.1:{port}{self._upstream.path}?sslmode=disable"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        query = parse_qs(self._upstream.query)
        path = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(path)
        except OSError:
            writer.transport.abort()
            self._tasks.discard(task)
            return
        link = _Link(self, reader, writer, server_reader, server_writer)
        self._links.add(link)
        try:
            await link.run()
        except asyncio.CancelledError:
            pass  # By `close`, which has cut both sides.
        finally:
            self._links.discard(link)
            self._tasks.discard(task)


class _Link:
    """One connection of the service and its other half."""

    def __init__(
        self,
        proxy: FlushProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._server_reader, self._server_writer = server_reader, server_writer
        self._flush_statements: set[bytes] = set()
        self._is_flushing = False
        self.answers: asyncio.Queue[Message | None] = asyncio.Queue()
        """Of the flush that is under way; None when there will be no more."""

    async def run(self) -> None:
        """Until both sides have ended. A flush that is held outlives the service's side."""
        answering = asyncio.create_task(self._pass_answers())
        try:
            await self._pass_requests()
        except CONNECTION_ENDS:
            pass
        finally:
            self.cut_server()
            await answering
            self.cut_service(is_reset=False)

    async def _pass_requests(self) -> None:
        self.send(await read_startup(self._reader))
        while True:
            message = await read_message(self._reader)
            if message.type == PARSE and FLUSH_MARK in parsed(message)[1]:
                self._flush_statements.add(parsed(message)[0])
            if message.type == BIND and bound(message) in self._flush_statements:
                messages = [message]
                while messages[-1].type != SYNC:
                    messages.append(await read_message(self._reader))
                await self._hand_over(messages)
            elif message.type == QUERY and self._flush_statements and message.content.startswith(b"COMMIT"):
                await self._hand_over([message])
            else:
                self.send(message.encoded)

    async def _hand_over(self, messages: list[Message]) -> None:
        self._is_flushing = True
        await self._proxy.on_flush(Flush(self, messages))
        self._is_flushing = False

    async def _pass_answers(self) -> None:
        with contextlib.suppress(*CONNECTION_ENDS):
            while True:
                message = await read_message(self._server_reader)
                if self._is_flushing:
                    self.answers.put_nowait(message)
                else:
                    self.reply(message.encoded)
        self.answers.put_nowait(None)
        self.cut_service(is_reset=False)

    def send(self, data: bytes) -> None:
        if not self._server_writer.is_closing():
            self._server_writer.write(data)

    def reply(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    def cut_service(self, *, is_reset: bool) -> None:
        if is_reset and not self._writer.is_closing():
            with contextlib.suppress(OSError):
                connection: socket.socket = self._writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _end(self._writer, is_at_once=is_reset)

    def cut_server(self) -> None:
        _end(self._server_writer, is_at_once=False)


def _end(writer: asyncio.StreamWriter, *, is_at_once: bool) -> None:
    if is_at_once:
        writer.transport.abort()
    else:
        writer.close()
