"""A response that is JSON and known as a whole, as nearly all of them are: a status, a body, and a few headers.

aiohttp's `Response` can be anything, a stream with cookies too, and passes through the states of one. This one is
written at once, head and body in one piece (`service.http.request_loop`), in 0.6 us. Where more than that is
asked for (the last answer of a connection, HEAD, HTTP/1.0) `for_aiohttp` makes a response of its kind: the same bytes.
"""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from multidict import istr

REQUEST_ID: Final = istr("X-Request-Id")

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    istr("X-Content-Type-Options"): "nosniff",
    istr("X-Frame-Options"): "DENY",
    istr("Referrer-Policy"): "no-referrer",
    hdrs.SERVER: "charge-shop",
}
"""Of every answer, errors included. `Server` says nothing about versions."""
NO_STORE: Final[Mapping[str, str]] = {hdrs.CACHE_CONTROL: "no-store"}
"""Of every answer of the API: it is somebody's own, and out of date tomorrow."""

JSON: Final = "application/json"
_NONE: Final[Mapping[str, str]] = {}


class JsonResponse:
    """`service.endpoint` says under which id the request goes, and whether the connection ends with it."""

    __slots__ = ("body", "headers", "is_last", "media_type", "request_id", "status")

    def __init__(
        self, body: bytes, status: int = 200, headers: Mapping[str, str] = _NONE, media_type: str = JSON
    ) -> None:
        """`headers`: of our own making, nothing in them is escaped."""
        self.body = body
        self.status = status
        self.headers = headers
        self.media_type = media_type
        self.request_id = ""
        self.is_last = False

    def encoded(self) -> bytes:
        """All bytes of the response, as HTTP/1.1. The connection goes on after it, unless `headers` say otherwise."""
        body, headers = self.body, self.headers
        more = "".join([f"{name}: {value}\r\n" for name, value in headers.items()]) if headers else ""
        head = (
            f"{_beginning(self.status, self.media_type)}{more}X-Request-Id: {self.request_id}\r\n"
            f"Content-Length: {len(body)}\r\nDate: {rfc822_formatted_time()}\r\n\r\n"
        )
        return head.encode() + body

    def for_aiohttp(self) -> web.Response:
        """The same for aiohttp to write."""
        headers = {
            hdrs.CONTENT_TYPE: self.media_type,
            **SECURITY_HEADERS,
            **NO_STORE,
            **self.headers,
            REQUEST_ID: self.request_id,
        }
        response = web.Response(body=self.body, status=self.status, headers=headers)
        if self.is_last:
            response.force_close()
        return response


@cache
def _beginning(status: int, media_type: str) -> str:
    """What all responses of a kind begin with. There are as many as there are kinds of problems."""
    headers = {hdrs.CONTENT_TYPE: media_type, **SECURITY_HEADERS, **NO_STORE}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, ""])
