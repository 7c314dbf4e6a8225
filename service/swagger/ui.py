"""The pages of the documentation: Swagger UI from the files that aiohttp-apispec carries, and from here alone.

Nothing is loaded from elsewhere, and the pages run under a policy that would not let them: neither scripts nor
styles inline, no other origin. The package's own index page has a script inline, so ours stands in for it.
"""

from pathlib import Path
from typing import Final

import aiohttp_apispec
from aiohttp import hdrs

from service.http.json_response import SECURITY_HEADERS
from service.http.pages import Page, file, page, redirect_to

_OURS: Final = Path(__file__).parent.parent / "static" / "swagger"
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
    **SECURITY_HEADERS,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    hdrs.CACHE_CONTROL: "no-cache",
}


def pages(document: bytes) -> dict[str, Page]:
    """`/swagger.json`, which is the document, and `/swagger/` with all that it loads, by path."""
    return {
        "/swagger.json": page(document, "application/json", HEADERS),
        "/swagger": redirect_to("/swagger/"),
        **{f"/swagger/{name}": file(path, HEADERS) for name, path in FILES.items()},
    }
