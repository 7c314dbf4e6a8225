"""The web console: static files under `/console/`, and nothing else.

The pages speak to the API as any other client does, with the credentials that a person typed in. So there is
nothing here that knows a user. They run under a policy that allows neither inline scripts nor styles nor another
origin. The index names every module of ours, so that a browser asks for them all at once instead of one by one.

Every file stands under the fingerprint of all of them, where it never changes: a browser asks for each once, and on
the next visit for the index alone, which names another fingerprint when there is a new version.
"""

import mimetypes
import re
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from service.http.json_response import SECURITY_HEADERS
from service.http.pages import Page, file, page, redirect, redirect_to

FOLDER: Final = Path(__file__).parent / "static" / "console"
HEADERS: Final = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Asked for again each time: a new version is there at once.
    hdrs.CACHE_CONTROL: "no-cache",
}
FOR_EVER: Final = {**HEADERS, hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable"}
FINGERPRINT_LENGTH: Final = 16
_TYPES: Final = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}
_MODULES_GO_HERE: Final = "    <!-- modules -->\n"


def pages() -> dict[str, Page]:
    """`/console/` with every file of the folder, by path."""
    version = fingerprint()

    async def show_this_version(request: web.Request) -> web.Response:
        """To whoever has the index of another instance, older or newer: its modules then all come from this one."""
        return redirect(307, f"/console/{version}/{request.path.split('/', 3)[3]}")

    found = {
        "/console": redirect_to("/console/"),
        "/console/": page(index_page().encode(), "text/html; charset=utf-8", HEADERS),
    }
    for path in files():
        name = path.relative_to(FOLDER).as_posix()
        found[f"/console/{version}/{name}"] = file(path, FOR_EVER, _type_of(path))
        found[f"/console/{{version:[0-9a-f]{{{FINGERPRINT_LENGTH}}}}}/{name}"] = show_this_version
    return found


def files() -> list[Path]:
    """What is served: everything but texts for those who read the folder, and the index, which is completed first."""
    return sorted(path for path in FOLDER.rglob("*.*") if path.suffix not in {".md", ".LICENSE", ".html"})


def fingerprint() -> str:
    """Another one whenever any file is another one."""
    digest = sha256()
    for path in files():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(FOLDER).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:FINGERPRINT_LENGTH]


def index_page() -> str:
    """The index with a line for each module, all under the fingerprint."""
    modules = [path.relative_to(FOLDER).as_posix() for path in files() if path.suffix == ".js"]
    links = "".join(f'    <link rel="modulepreload" href="{escape(name)}">\n' for name in modules if "/" in name)
    text = (FOLDER / "index.html").read_text().replace(_MODULES_GO_HERE, links)
    return re.sub(r'\b(href|src)="(?!/)', rf'\1="{fingerprint()}/', text)


def _type_of(path: Path) -> str:
    return _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
