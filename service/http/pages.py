"""Pages: static files, texts and redirects for browsers. Each is a route of its own, so that no path that a request
gives is ever looked up on the disk."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from aiohttp import hdrs, web

from service.http.json_response import SECURITY_HEADERS

Page: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers GET and HEAD. What all requests have in common is around it, as around every handler (`service.endpoint`)."""


def page(body: bytes, content_type: str, headers: Mapping[str, str]) -> Page:
    async def show_page(_request: web.Request) -> web.Response:
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type, **headers})

    return show_page


def file(path: Path, headers: Mapping[str, str], content_type: str | None = None) -> Page:
    """`content_type`: by its name, if not given. That a client has the file already (304) is found out only when it is
    about to be written: metrics count a 200."""

    async def show_file(_request: web.Request) -> web.FileResponse:
        response = web.FileResponse(path, headers=headers)
        if content_type is not None:
            response.content_type = content_type
        return response

    return show_file


def redirect_to(location: str) -> Page:
    async def show_redirect(_request: web.Request) -> web.Response:
        return redirect(308, location)

    return show_redirect


def redirect(status: int, location: str) -> web.Response:
    return web.Response(status=status, headers={hdrs.LOCATION: location, **SECURITY_HEADERS})
