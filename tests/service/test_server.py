"""The server's outer edge: whoever connects is answered in the contract's words, or cut off in time, for nobody's harm.

Bytes go over real sockets; time is the test's, by looking at the connections as they will be at some later moment.
"""

import asyncio
import json
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from service.http.bounds import Bounds, bounds_of
from service.http.connections import Connections
from service.http.server import HttpServer, listen

GET = b"GET /echo HTTP/1.1\r\nHost: shop\r\n\r\n"


class Served:
    """A server of four routes: one answers at once, one with much, one streams for as long as it is read, and one waits
    until it may go on."""

    def __init__(self, server: HttpServer, port: int) -> None:
        self.server = server
        self.port = port
        self.streams = 0
        self.waiting = 0
        self.go_on = defaultdict[str, asyncio.Event](asyncio.Event)

    @property
    def connections(self) -> Connections:
        assert self.server._connections is not None
        return self.server._connections

    async def until_open(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self.connections) != number:
                await asyncio.sleep(0)

    async def until_nothing_is_taken(self) -> None:
        """What the kernel has room for has gone, and its client reads no more."""
        (connection,) = self.connections._open
        assert connection.transport is not None
        left, now = -1, connection.transport.get_write_buffer_size()
        while now != left:
            await asyncio.sleep(0.1)
            left, now = now, connection.transport.get_write_buffer_size()

    def look_in(self, seconds: float) -> None:
        """As the sweep will see the connections then."""
        self.connections.sweep(asyncio.get_running_loop().time() + seconds)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["Wire"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Wire(reader, writer)
        finally:
            writer.transport.abort()


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[bytes, dict[str, str], bytes]:
        """Status line, headers (names in lower case) and body."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            status, *lines = head.decode().split("\r\n")[:-2]
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            return status.encode(), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def ends(self) -> bytes:
        """What is still said before the connection ends, however it ends."""
        said = b""
        async with asyncio.timeout(10):
            try:
                while part := await self.reader.read(65536):
                    said += part
            except ConnectionError:
                pass
        return said


@asynccontextmanager
async def serving(bounds: Bounds | None = None, is_trusted: Callable[[str], bool] = lambda _: False):
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        served.streams += 1
        try:
            while True:
                await response.write(bytes(65536))
        finally:
            served.streams -= 1

    async def large(request: web.Request) -> web.Response:
        return web.Response(body=bytes(128 * 2**20))

    async def wait(request: web.Request) -> web.Response:
        served.waiting += 1
        await served.go_on[request.match_info["who"]].wait()
        return web.Response(headers={"Connection": "close"})

    app = web.Application()
    app.router.add_route("*", "/echo", echo)
    app.router.add_get("/wait/{who}", wait)
    app.router.add_get("/large", large)
    app.router.add_get("/stream", stream)
    bound = listen("127.0.0.1", 0)
    server = HttpServer(app, bound, lambda: 0, bounds, is_trusted)
    served = Served(server, bound.getsockname()[1])
    await server.start()
    try:
        yield served
    finally:
        await server.close()
        bound.close()


NOT_HTTP = {
    "a bad request line": b"GET\r\n\r\n",
    "a bad method": b"G@T /echo HTTP/1.1\r\nHost: shop\r\n\r\n",
    "a bad version": b"GET /echo HTTP/9.9\r\nHost: shop\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100a5010000a10303") + bytes(range(160)),
    "garbage": b"\xff\xfe\x00\x80" * 20 + b"\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no colon in a header": b"GET /echo HTTP/1.1\r\nHost: shop\r\nwhat\r\n\r\n",
    "a space before the colon": b"GET /echo HTTP/1.1\r\nHost : shop\r\n\r\n",
    "NUL in a header": b"GET /echo HTTP/1.1\r\nHost: sh\0op\r\n\r\n",
    "two lengths": b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\n",
    "a negative length": b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "a length that is no number": b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n",
    "a long line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: shop\r\n\r\n",
    "a long header": b"GET /echo HTTP/1.1\r\nHost: shop\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    "many headers": b"GET /echo HTTP/1.1\r\nHost: shop\r\n" + b"X: a\r\n" * 2_000 + b"\r\n",
    "an address that is none": b"GET http://[::1 HTTP/1.1\r\nHost: shop\r\n\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_what_is_not_http_is_a_problem_like_any_other(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """One 400 in the contract's form, nothing of what was sent or of the software's version, and the end."""
    async with serving() as served, served.connected() as wire:
        await wire.send(sent)
        status, headers, body = await wire.answer()
        assert status.split(b" ", 1)[1] == b"400 Bad Request"
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert headers["server"] == "charge-shop"
        assert headers["x-content-type-options"] == "nosniff"
        problem = json.loads(body)
        assert (problem["status"], problem["code"]) == (400, "malformed_request")
        assert problem["request_id"] == headers["x-request-id"]
        assert await wire.ends() == b""
        assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


@pytest.mark.parametrize("target", ["OPTIONS *", "CONNECT shop:80", "CONNECT /echo", "GET *"])
async def test_what_is_no_path_is_nowhere(target: str) -> None:
    """In the contract's words, not in those of the library."""
    async with serving() as served, served.connected() as wire:
        await wire.send(f"{target} HTTP/1.1\r\nHost: shop\r\nX-Request-Id: my-id:1\r\n\r\n".encode())
        _, headers, body = await wire.answer()
        problem = json.loads(body)
        assert (problem["status"], problem["code"]) in ((404, "not_found"), (400, "malformed_request"))
        assert headers["server"] == "charge-shop"
        assert problem["request_id"] == headers["x-request-id"]
        # Where it is no HTTP either nothing is known of its head.
        assert (headers["x-request-id"] == "my-id:1") == (problem["status"] == 404)
        assert await wire.ends() == b""


async def test_an_id_that_is_not_safe_to_repeat_is_not_repeated() -> None:
    async with serving() as served, served.connected() as wire:
        await wire.send(b"OPTIONS * HTTP/1.1\r\nHost: shop\r\nX-Request-Id: two words\r\n\r\n")
        _, headers, _ = await wire.answer()
        assert headers["x-request-id"] not in ("", "two words")


async def test_a_head_that_is_too_large_is_called_that() -> None:
    async with serving() as served, served.connected() as wire:
        await wire.send(NOT_HTTP["a long header"])
        assert "too large" in json.loads((await wire.answer())[2])["detail"]


async def test_a_request_before_the_garbage_is_answered() -> None:
    async with serving() as served, served.connected() as wire:
        await wire.send(GET)
        assert (await wire.answer())[0].endswith(b"200 OK")
        await wire.send(NOT_HTTP["garbage"])
        assert (await wire.answer())[0].endswith(b"400 Bad Request")
        assert await wire.ends() == b""


@pytest.mark.parametrize(
    ("is_first", "length"), [(True, 0), (True, 1), (True, len(GET) - 1), (False, 1), (False, len(GET) - 1)]
)
async def test_a_head_that_does_not_come_ends_its_connection(is_first: bool, length: int) -> None:
    """Ten seconds from the beginning, though another byte came just before; the others stay."""
    async with serving() as served, served.connected() as slow, served.connected() as good:
        if not is_first:
            await slow.send(GET)
            await slow.answer()
        await slow.send(GET[:length])
        await good.send(GET)
        await good.answer()
        await served.until_open(2)
        served.look_in(9.0)
        if length < len(GET) - 1:
            await slow.send(GET[length : length + 1])
        await good.send(GET)
        assert (await good.answer())[0].endswith(b"200 OK")
        assert len(served.connections) == 2
        served.look_in(10.1)
        assert await slow.ends() == b""
        await good.send(GET)
        assert (await good.answer())[0].endswith(b"200 OK")


async def test_the_head_of_a_later_request_is_counted_from_its_own_first_byte() -> None:
    async with serving() as served, served.connected() as wire:
        await wire.send(GET)
        await wire.answer()
        served.look_in(20)
        await wire.send(GET[:7])
        served.look_in(9)
        await wire.send(GET[7:])
        assert (await wire.answer())[0].endswith(b"200 OK")
        served.look_in(20)
        await wire.send(GET)
        assert (await wire.answer())[0].endswith(b"200 OK")


async def test_an_idle_connection_ends() -> None:
    async with serving(Bounds(idle_timeout_s=0.05)) as served, served.connected() as wire:
        await wire.send(GET)
        await wire.answer()
        assert await wire.ends() == b""


async def test_who_does_not_read_is_cut_off() -> None:
    """And what answered them is given back: a stream holds a cursor, and that a connection to the database."""
    async with serving() as served, served.connected() as wire:
        await wire.send(b"GET /stream HTTP/1.1\r\nHost: shop\r\n\r\n")
        async with asyncio.timeout(10):
            while not any(connection.writing_paused for connection in served.connections._open):
                await asyncio.sleep(0)
        served.look_in(0)
        served.look_in(24)
        await asyncio.sleep(0)
        assert (len(served.connections), served.streams) == (1, 1)
        served.look_in(26)
        await served.until_open(0)
        async with asyncio.timeout(10):
            while served.streams:
                await asyncio.sleep(0)


async def test_who_reads_slowly_may_go_on() -> None:
    async with serving() as served, served.connected() as wire:
        await wire.send(b"GET /stream HTTP/1.1\r\nHost: shop\r\n\r\n")
        for seconds in range(0, 200, 20):
            # So much that the server must have written in between.
            await wire.reader.readexactly(16 * 2**20)
            served.look_in(seconds)
        assert (len(served.connections), served.streams) == (1, 1)


async def test_who_takes_one_large_answer_slowly_may_go_on_until_they_stop() -> None:
    """Though so much of it is left at every look that nothing new has been written meanwhile."""
    async with serving(Bounds(sweep_interval_s=3_600)) as served, served.connected() as wire:
        await wire.send(b"GET /large HTTP/1.1\r\nHost: shop\r\n\r\n")
        for seconds in range(0, 100, 20):
            await wire.reader.readexactly(16 * 2**20)
            (connection,) = served.connections._open
            assert connection.writing_paused
            served.look_in(seconds)
        assert len(served.connections) == 1
        await served.until_nothing_is_taken()
        served.look_in(81)
        served.look_in(100)
        await asyncio.sleep(0)
        assert len(served.connections) == 1
        served.look_in(110)
        await served.until_open(0)


async def test_above_the_bound_one_is_told_to_come_back() -> None:
    """At once and in the contract's form, also to who has sent a request already; and a place that is free is given."""
    async with serving(Bounds(open_max=2)) as served, served.connected() as first:
        async with served.connected() as second:
            for wire in (first, second):
                await wire.send(GET)
                await wire.answer()
            async with served.connected() as third:
                await third.send(GET)
                status, headers, body = await third.answer()
                assert status == b"HTTP/1.1 503 Service Unavailable"
                assert headers["content-type"] == "application/problem+json"
                assert (headers["connection"], headers["retry-after"]) == ("close", "1")
                problem = json.loads(body)
                assert (problem["status"], problem["code"]) == (503, "overloaded")
                assert problem["request_id"] == headers["x-request-id"]
                assert await third.ends() == b""
            await first.send(GET)
            assert (await first.answer())[0].endswith(b"200 OK")
        await served.until_open(1)
        async with served.connected() as fourth:
            await fourth.send(GET)
            assert (await fourth.answer())[0].endswith(b"200 OK")


async def test_who_is_refused_and_stays_is_cut_off() -> None:
    async with serving(Bounds(open_max=0)) as served, served.connected() as wire:
        await wire.answer()
        served.look_in(1.1)
        async with asyncio.timeout(10):
            while served.connections._refusals:
                await asyncio.sleep(0)


async def test_many_refusals_cost_little() -> None:
    """Beyond some who are told why, connections are closed without a word; nothing is kept of any."""
    async with serving(Bounds(open_max=0)) as served:
        wires = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(300)]
        said = [await Wire(*wire).ends() for wire in wires]
        assert 100 < sum(b"overloaded" in text for text in said) < 300
        for _, writer in wires:
            writer.close()
        async with asyncio.timeout(10):
            while served.connections._refusals:
                await asyncio.sleep(0)


async def test_one_address_does_not_get_all_places() -> None:
    bounds = Bounds(open_max=10, per_address_max=1)
    async with serving(bounds) as served, served.connected() as first:
        await first.send(GET)
        await first.answer()
        async with served.connected() as second:
            assert (await second.answer())[0].startswith(b"HTTP/1.1 503 ")
    async with serving(bounds, lambda address: address == "127.0.0.1") as served, served.connected() as first:
        await first.send(GET)
        await first.answer()
        async with served.connected() as second:
            await second.send(GET)
            assert (await second.answer())[0].endswith(b"200 OK")


class Peer(asyncio.Transport):
    """The wire of somebody who connects from an address that this machine does not have."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 40_000, 0, 0)})
        self.said = b""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def write(self, data: Any) -> None:
        self.said += bytes(data)

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


async def test_nor_does_one_subscriber_with_all_its_addresses() -> None:
    async with serving(Bounds(open_max=10, per_address_max=2)) as served:
        opened = []
        for address in ("2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::3", "2001:db8:0:2::1"):
            opened.append((served.connections.protocol(), Peer(address)))
            opened[-1][0].connection_made(opened[-1][1])
        assert [b"overloaded" in peer.said for _, peer in opened] == [False, False, True, False]
        for protocol, _ in opened:
            protocol.connection_lost(None)
        assert not served.connections._per_address


async def test_who_waits_to_be_accepted_at_a_stop_is_answered() -> None:
    async with serving() as served, AsyncExitStack() as stack:
        # All in one step: the kernel has connected them, and this event loop has not looked yet.
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", served.port))) for _ in range(20)]
        for client in clients:
            client.sendall(GET)
        await served.server.drain(10)
        for client in clients:
            reader, writer = await asyncio.open_connection(sock=client)
            assert (await Wire(reader, writer).answer())[0].endswith(b"200 OK")
            writer.transport.abort()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", served.port)


async def test_a_stop_lets_nobody_stand_before_a_closed_door_while_others_are_still_answered() -> None:
    async with serving() as served, served.connected() as busy:
        await busy.send(b"GET /wait/first HTTP/1.1\r\nHost: shop\r\n\r\n")
        async with asyncio.timeout(10):
            while not served.waiting:
                await asyncio.sleep(0)
        drain = asyncio.create_task(served.server.drain(60))
        for _ in range(3):
            async with served.connected() as late:
                await late.send(GET)
                assert (await late.answer())[0].endswith(b"200 OK")
        # Another one that waits does not prolong it.
        async with served.connected() as latest:
            await latest.send(b"GET /wait/last HTTP/1.1\r\nHost: shop\r\n\r\n")
            async with asyncio.timeout(10):
                while served.waiting < 2:
                    await asyncio.sleep(0)
            assert not drain.done()
            served.go_on["first"].set()
            assert (await busy.answer())[0].endswith(b"200 OK")
            async with asyncio.timeout(10):
                assert await drain
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", served.port)


def test_the_bound_follows_the_setting_and_the_limit_on_open_files() -> None:
    assert bounds_of(100) == Bounds(open_max=100, per_address_max=50)
    assert 1 <= bounds_of(None).open_max <= 16_384
    assert bounds_of(10**9).open_max < 65_536


def test_a_limit_on_open_files_that_leaves_hardly_a_connection_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without it the log of a shop that lets nobody in speaks of floods only."""
    for open_files, told in ((64, True), (1024, False)):
        monkeypatch.setattr("service.http.bounds._raised_limit_of_open_files", lambda limit=open_files: limit)
        caplog.clear()
        assert bounds_of(None).open_max == max(1, open_files - 256)
        assert ("connections_max_lowered" in caplog.text) == told
