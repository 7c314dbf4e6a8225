"""The pages of the documentation: Swagger UI from the files that aiohttp-apispec carries, and from here alone.

Nothing is loaded from elsewhere, and the pages run under a policy that would not let them: neither scripts nor
styles inline, no other origin. The package's own index page has a script inline, so ours stands in for it.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp_apispec
from aiohttp import hdrs, web

_OURS: Final = Path(__file__).parent / "static" / "swagger"
_PACKAGED: Final = Path(aiohttp_apispec.__file__).parent / "static"
FILES: Final = {
    "": _OURS / "index.html",
    "start.js": _OURS / "start.js",
    "page.css": _OURS / "page.css",
    "swagger-ui.css": _PACKAGED / "swagger-ui.css",
    "swagger-ui-bundle.js": _PACKAGED / "swagger-ui-bundle.js",
    "favicon-32x32.png": _PACKAGED / "favicon-32x32.png",
}
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    hdrs.CACHE_CONTROL: "no-cache",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_pages(app: web.Application, document: bytes) -> None:
    """Adds `/swagger.json`, which is the document, and `/swagger/` with all that it loads."""

    async def show_document(_request: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json", headers=HEADERS)

    async def show_the_way(_request: web.Request) -> web.Response:
        raise web.HTTPPermanentRedirect("/swagger/")

    app.router.add_get("/swagger.json", show_document)
    app.router.add_get("/swagger", show_the_way)
    for name, path in FILES.items():
        app.router.add_get(f"/swagger/{name}", _file(path))


def _file(path: Path) -> Handler:
    async def show_file(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(path, headers=HEADERS)

    return show_file
