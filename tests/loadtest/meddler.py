"""A proxy before a real service that meddles with what passes: answers that get lost, or get changed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

Meddle = Callable[[web.Request, int, bytes], bytes | None]
"""Given a request and its answer (status, body): the body to answer with, or None to break the connection."""

_PASSED_ON = ("Content-Type", "Idempotent-Replayed", "Retry-After", "X-Request-Id")


@asynccontextmanager
async def meddling(url: str, meddle: Meddle) -> AsyncIterator[str]:
    """The proxy's address."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, skip_auto_headers=("Accept-Encoding",)) as session:

        async def handle(request: web.Request) -> web.Response:
            headers = {
                name: value
                for name, value in request.headers.items()
                if name in ("Authorization", "Content-Type", "Idempotency-Key")
            }
            body = await request.read()
            target = url + request.path_qs
            async with session.request(request.method, target, data=body or None, headers=headers) as answer:
                answered = meddle(request, answer.status, await answer.read())
            if answered is None:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            shown = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
            return web.Response(status=answer.status, body=answered, headers=shown)

        application = web.Application(client_max_size=2**22)
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
