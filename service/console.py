"""The web console: static files under `/console/`, and nothing else.

The pages speak to the API as any other client does, with the credentials that a person typed in. So there is
nothing here that knows a user. They run under a policy that allows neither inline scripts nor styles nor another
origin. The index names every module of ours, so that a browser asks for them all at once instead of one by one.
"""

import mimetypes
from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from service.responses import SECURITY_HEADERS

FOLDER: Final = Path(__file__).parent / "static" / "console"
HEADERS: Final = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Asked for again each time, and answered 304 while nothing has changed: a new version is there at once.
    hdrs.CACHE_CONTROL: "no-cache",
}
_TYPES: Final = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}
_MODULES_GO_HERE: Final = "    <!-- modules -->\n"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_console(app: web.Application) -> None:
    """Adds `/console/` with every file of the folder, each under a route of its own: no path is ever looked up."""

    async def show_the_way(_request: web.Request) -> web.Response:
        raise web.HTTPPermanentRedirect("/console/")

    app.router.add_get("/console", show_the_way)
    app.router.add_get("/console/", _page(index_page()))
    for path in files():
        app.router.add_get(f"/console/{path.relative_to(FOLDER).as_posix()}", _file(path))


def files() -> list[Path]:
    """What is served: everything but texts for those who read the folder, and the index, which is completed first."""
    return sorted(path for path in FOLDER.rglob("*.*") if path.suffix not in {".md", ".LICENSE", ".html"})


def index_page() -> str:
    """The index with a line for each module."""
    modules = [path.relative_to(FOLDER).as_posix() for path in files() if path.suffix == ".js"]
    links = "".join(f'    <link rel="modulepreload" href="{escape(name)}">\n' for name in modules if "/" in name)
    return (FOLDER / "index.html").read_text().replace(_MODULES_GO_HERE, links)


def _page(text: str) -> Handler:
    async def show_page(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    return show_page


def _file(path: Path) -> Handler:
    content_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"

    async def show_file(_request: web.Request) -> web.FileResponse:
        response = web.FileResponse(path, headers=HEADERS)
        response.content_type = content_type
        return response

    return show_file
