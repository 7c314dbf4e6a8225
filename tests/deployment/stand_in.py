"""A stand-in for the service behind nginx: records what arrives, and answers what a test asks of it.

It runs in a thread with an event loop of its own, because the tests speak to nginx with blocking sockets. Its
answers have the shapes of the API; it has none of the rules.
"""

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web
from multidict import CIMultiDictProxy

STANDBY = {"X-Accel-Redirect": "@other_instance", "Retry-After": "1"}


@dataclass(frozen=True)
class Arrived:
    method: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass
class StandIn:
    """Use as a context manager: serves on a free loopback port, `port`, between enter and exit."""

    name: str = "app"
    is_standby: bool = False
    arrived: list[Arrived] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"stand-in {self.name}")
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on(1000)
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def go_on(self, times: int = 1) -> None:
        """Lets answers that wait in their middle go on; each waits once for every part of it that is to come."""
        for _ in range(times):
            self._loop.call_soon_threadsafe(self._may_go_on.release)

    def targets(self) -> list[str]:
        return [request.target for request in self.arrived]

    async def _start(self) -> None:
        self._may_go_on = asyncio.Semaphore(0)
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        arrived = Arrived(request.method, request.raw_path, request.headers, await request.read())
        self.arrived.append(arrived)
        if self.is_standby:
            return _problem(503, "standby", STANDBY)
        match request.path:
            case "/v1/events":
                return await self._stream(request, "text/event-stream", b"id: 1\n\n", b"id: 2\n\n")
            case "/v1/transactions.csv":
                return await self._stream(request, "text/csv", b"id\r\n", b"1\r\n")
            case "/v1/never":
                await self._may_go_on.acquire()
            case "/v1/torn":
                assert request.transport is not None
                request.transport.abort()
            case "/v1/unknown":
                return _problem(503, "outcome_unknown", {"Retry-After": "1"})
            case "/v1/refused":
                return _problem(404, "not_found", {"X-Frame-Options": "SAMEORIGIN"})
            case "/console.js":
                return web.Response(text="// code\n" * 1000, content_type="text/javascript")
        request_id = request.headers.get("X-Request-Id", "")
        return web.json_response(
            {"by": self.name, "body_bytes": len(arrived.body), "padding": "0" * 2000},
            status=201 if request.method == "POST" else 200,
            headers={"X-Request-Id": request_id},
        )

    async def _stream(self, request: web.Request, content_type: str, first: bytes, second: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):  # a test may have heard enough
            for part in (first, second):
                await response.write(part)
                await self._may_go_on.acquire()
        return response


def _problem(status: int, code: str, headers: dict[str, str]) -> web.Response:
    return web.json_response(
        {"status": status, "code": code}, status=status, headers=headers, content_type="application/problem+json"
    )
