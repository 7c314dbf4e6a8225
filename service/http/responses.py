"""Successful answers: a status, the headers that all answers have, and an object encoded once."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from service.http.headers import IDEMPOTENT_REPLAYED
from service.http.json_response import NO_STORE, SECURITY_HEADERS, JsonResponse

_HEADERS: Final[Mapping[str, str]] = {**SECURITY_HEADERS, **NO_STORE}
_REPLAYED: Final[Mapping[str, str]] = {IDEMPOTENT_REPLAYED: "true"}

encode: Final = msgspec.json.Encoder().encode


def answer(value: msgspec.Struct, status: int = 200, *, is_replay: bool = False) -> JsonResponse:
    """The object as JSON."""
    return JsonResponse(encode(value), status, _REPLAYED) if is_replay else JsonResponse(encode(value), status)


def no_content() -> web.Response:
    return web.Response(status=204, headers=_HEADERS)


def stream(content_type: str, headers: Mapping[str, Any]) -> web.StreamResponse:
    """An answer whose body is written bit by bit; the caller prepares it, and so has to give all headers."""
    return web.StreamResponse(headers={hdrs.CONTENT_TYPE: content_type, **_HEADERS, **headers})


def plain(body: bytes, content_type: str) -> web.Response:
    """Something else than JSON, ready made."""
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type, **_HEADERS})
