"""The shortcuts of a connection are none that a client can see: it gets the bytes that aiohttp alone would send."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader

from service.http.bounds import Bounds
from service.http.connections import Connections
from service.http.json_response import JsonResponse
from service.http.request_loop import FIXED_ROUTES, Answer, body_at_hand

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON = {"Content-Type": "application/json", "Server": "charge-shop"}


async def whole(request: web.Request) -> web.Response:
    return web.Response(body=b'{"echo":"%b"}' % await request.read(), status=201, headers=JSON)


async def empty(request: web.Request) -> web.Response:
    return web.Response(body=b"", headers=JSON)


async def nothing(request: web.Request) -> web.Response:
    return web.Response(status=204)


async def text(request: web.Request) -> web.Response:
    return web.Response(text="grüße")


async def cookie(request: web.Request) -> web.Response:
    response = web.Response(body=b"{}", headers=JSON)
    response.set_cookie("a", "b")
    return response


async def last(request: web.Request) -> web.Response:
    response = web.Response(body=b"{}", headers=JSON)
    response.force_close()
    return response


async def prepared(request: web.Request) -> web.Response:
    response = web.Response(body=b"early", headers=JSON)
    await response.prepare(request)
    return response


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers=JSON)
    await response.prepare(request)
    await response.write(b"piece by piece")
    return response


async def missing(request: web.Request) -> web.Response:
    raise web.HTTPNotFound(text="no")


async def task(request: web.Request) -> web.Response:
    return web.Response(body=str(id(asyncio.current_task())).encode())


async def json(request: web.Request) -> Answer:
    return JsonResponse(b'{"echo":"%b"}' % await request.read(), 201, {"Idempotent-Replayed": "true"})


async def problem(request: web.Request) -> Answer:
    return JsonResponse(b"{}", 402, media_type="application/problem+json")


async def last_json(request: web.Request) -> Answer:
    response = JsonResponse(b"{}")
    response.is_last = True
    return response


async def plain(request: web.Request) -> Answer:
    return web.Response(body=b"plain", headers=JSON)


async def broken(request: web.Request) -> Answer:
    raise LookupError("a bug")


async def no_answer(request: web.Request) -> Answer:
    return None  # type: ignore[return-value]


HANDLERS = (whole, empty, nothing, text, cookie, last, prepared, stream, missing, task)
FIXED = (json, problem, last_json, plain, broken, no_answer)
"""Found without a router; aiohttp alone gets them as its own kind of response."""
POST_IN_CHUNKS = (
    b"POST /json HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
)
POST = b"POST /whole HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello"


def get(path: str, version: str = "1.1", headers: str = "", method: str = "GET") -> bytes:
    return f"{method} /{path} HTTP/{version}\r\nHost: shop\r\n{headers}\r\n".encode()


def for_aiohttp(handler: Callable[[web.Request], Awaitable[Answer]]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        answer = await handler(request)
        return answer.for_aiohttp() if isinstance(answer, JsonResponse) else answer

    return answer


@asynccontextmanager
async def served(*, is_ours: bool) -> AsyncIterator[int]:
    """The port of a server with our connections, or with aiohttp's own."""
    application = web.Application()
    application[FIXED_ROUTES] = {}
    for handler in HANDLERS:
        application.router.add_route("*", f"/{handler.__name__}", handler)
    for fixed in FIXED:
        application.router.add_route("*", f"/{fixed.__name__}", for_aiohttp(fixed))
        for method in ("GET", "POST"):
            application[FIXED_ROUTES][method, f"/{fixed.__name__}"] = fixed
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    assert runner.server is not None
    ours = Connections(runner.server, Bounds(), fixed_routes=application[FIXED_ROUTES])
    connection = ours.protocol if is_ours else runner.server
    listening = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await runner.cleanup()


async def exchange(port: int, sent: bytes) -> bytes:
    """All that comes back; who sends ends with a request that closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    received = await reader.read()
    writer.close()
    return re.sub(rb"Date: [^\r]+", b"Date: now", received)


CLOSING = get("whole", headers="Connection: close\r\n")


@pytest.mark.parametrize(
    "sent",
    [
        POST + CLOSING,
        POST * 3 + CLOSING,
        get("empty") + CLOSING,
        get("nothing") + CLOSING,
        get("text") + CLOSING,
        get("cookie") + CLOSING,
        get("last") + CLOSING,
        get("prepared") + CLOSING,
        get("stream") + CLOSING,
        get("missing") + CLOSING,
        get("nowhere") + CLOSING,
        get("json") + CLOSING,
        POST.replace(b"/whole", b"/json") * 3 + CLOSING,
        POST.replace(b"hello", b"he") + b"llo" + CLOSING,
        b"POST /json HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
        + CLOSING,
        get("json?query") + CLOSING,
        get("json", headers="Expect: 100-continue\r\n") + CLOSING,
        get("json", headers="Connection: close\r\n"),
        get("json", headers="Connection: Upgrade\r\nUpgrade: websocket\r\n") + CLOSING,
        get("json", method="HEAD") + CLOSING,
        get("json", method="PUT") + CLOSING,
        get("json", version="1.0", headers="Connection: keep-alive\r\n") + CLOSING,
        get("json", version="1.0"),
        get("problem") + CLOSING,
        get("last_json") + CLOSING,
        get("plain") + CLOSING,
        POST.replace(b"/whole", b"/problem") + CLOSING,  # A body that nobody reads.
        get("whole", method="HEAD") + CLOSING,
        get("whole", version="1.0", headers="Connection: keep-alive\r\n") + CLOSING,
        get("whole", version="1.0"),  # Closes by itself.
    ],
)
async def test_a_client_gets_what_aiohttp_would_send(sent: bytes) -> None:
    async with served(is_ours=False) as theirs, served(is_ours=True) as ours:
        wanted = await exchange(theirs, sent)
        assert wanted.startswith(b"HTTP/1.")
        assert await exchange(ours, sent) == wanted


async def test_a_bug_that_nobody_met_is_a_500_and_ends_its_connection(caplog: pytest.LogCaptureFixture) -> None:
    """On the first request too."""
    async with served(is_ours=True) as port:
        for path in ("broken", "broken?", "json"):
            received = await exchange(port, get(path) + CLOSING)
            assert received.startswith(b"HTTP/1.1 201 " if path == "json" else b"HTTP/1.1 500 "), received
            assert b"a bug" not in received
        await exchange(port, get("no_answer") + CLOSING)
    assert not [record for record in caplog.records if "never retrieved" in record.message], caplog.text


async def test_requests_of_a_connection_share_its_task() -> None:
    async with served(is_ours=True) as port:
        received = await exchange(port, get("task") * 3 + CLOSING)
    tasks = re.findall(rb"\r\n\r\n(\d+)HTTP", received)
    assert len(tasks) == 3
    assert len(set(tasks)) == 1


@pytest.mark.parametrize("is_fixed", [False, True])
async def test_a_client_that_does_not_read_holds_up_its_own_requests_only(is_fixed: bool) -> None:
    """The answer waits in the connection's buffer, and no further request is begun meanwhile."""
    begun = 0
    size = 8 * 1024 * 1024

    async def large(request: web.Request) -> Answer:
        nonlocal begun
        begun += 1
        return JsonResponse(bytes(size))

    runner = web.AppRunner(web.Application(), access_log=None)
    runner.app.router.add_get("/large", for_aiohttp(large))
    await runner.setup()
    assert runner.server is not None
    listening = await asyncio.get_running_loop().create_server(
        Connections(runner.server, Bounds(), fixed_routes={("GET", "/large"): large} if is_fixed else {}).protocol,
        "127.0.0.1",
        0,
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", listening.sockets[0].getsockname()[1], limit=1024)
    writer.write(get("large") * 2)
    await reader.readuntil(b"\r\n\r\n")
    for _ in range(100):
        await asyncio.sleep(0)
    assert begun == 1
    assert len(await reader.readexactly(size)) == size
    await reader.readuntil(b"\r\n\r\n")
    assert len(await reader.readexactly(size)) == size
    assert begun == 2
    writer.close()
    listening.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("pieces", "is_whole", "expected"),
    [
        ((b"hello",), True, b"hello"),
        ((b"he", b"llo"), True, None),  # In chunks: to be read as a stream, none of it is lost.
        ((b"hello",), False, None),
        ((), True, None),
        ((bytes(2**16 + 1),), True, None),  # Reading was held back for it, and has to be let go again.
    ],
)
async def test_only_a_body_that_came_as_one_piece_is_taken_at_once(
    pieces: tuple[bytes, ...], is_whole: bool, expected: bytes | None
) -> None:
    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    for piece in pieces:
        content.feed_data(piece)
    if is_whole:
        content.feed_eof()
    assert body_at_hand(content) == expected
    if expected is None and is_whole:
        assert await content.read() == b"".join(pieces)
