"""Successful answers: a status, the headers that all answers have, and an object encoded once.

On the hot path, so the headers are prepared; `service.endpoint` adds the id of the request.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from service.headers import IDEMPOTENT_REPLAYED

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    istr("X-Content-Type-Options"): "nosniff",
    istr("X-Frame-Options"): "DENY",
    istr("Referrer-Policy"): "no-referrer",
    hdrs.SERVER: "charge-shop",
}
"""Of every answer, errors included. `Server` says nothing about versions."""
NO_STORE: Final[Mapping[str, str]] = {hdrs.CACHE_CONTROL: "no-store"}
"""Of every answer of the API: it is somebody's own, and out of date tomorrow."""

_EMPTY: Final = CIMultiDict({**SECURITY_HEADERS, **NO_STORE})
_JSON: Final = CIMultiDict({hdrs.CONTENT_TYPE: "application/json", **_EMPTY})
_REPLAYED: Final = CIMultiDict({**_JSON, IDEMPOTENT_REPLAYED: "true"})

encode: Final = msgspec.json.Encoder().encode


def answer(value: msgspec.Struct, status: int = 200, *, is_replay: bool = False) -> web.Response:
    """The object as JSON."""
    return web.Response(body=encode(value), status=status, headers=_REPLAYED if is_replay else _JSON)


def no_content() -> web.Response:
    return web.Response(status=204, headers=_EMPTY)


def stream(content_type: str, headers: Mapping[str, Any]) -> web.StreamResponse:
    """An answer whose body is written bit by bit; the caller prepares it, and so has to give all headers."""
    return web.StreamResponse(headers={hdrs.CONTENT_TYPE: content_type, **_EMPTY, **headers})


def plain(body: bytes, content_type: str) -> web.Response:
    """Something else than JSON, ready made."""
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type, **_EMPTY})
