"""From the body of a request to a typed value, or to the problem that says why not.

What is refused, in this order: a compressed body (415), one that is too large (413, before it is read), another
media type (415), what is not JSON in UTF-8 or is absurd (400), what is not of the type (422, with every field
at fault). Nothing here knows what a body means; amounts and phone numbers are looked at where the seller's
currency is known (`service.amounts`, `service.phone`).

Queries are decoded by `service.http.query`, cursors by `service.http.cursors`, headers by `service.http.headers`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import msgspec
from aiohttp import hdrs, web

from service.http import findings
from service.http.request_loop import body_at_hand
from service.problems import FieldError, Problem, ProblemCode

BODY_SIZE_MAX: Final = 64 * 1024
LARGE_BODY_SIZE_MAX: Final = 4 * 1024 * 1024
"""Of the operation that takes the largest one."""
BODY_TIMEOUT_S: Final = 20.0
"""For a body to arrive. Who is slower holds a connection for nothing."""

_JSON: Final = "application/json"
NUL: Final = b"\\u0000"
"""As JSON writes it."""

AFTER_WAIT: Final[web.RequestKey[Callable[[web.Request], Awaitable[object]]]] = web.RequestKey("after_wait")
"""Called when a body has come that had to be waited for; raises if its sender may not go on (`service.admission`)."""

B = TypeVar("B", bound=msgspec.Struct)


class BodyDecoder(Generic[B]):
    """Decodes bodies of one type; made once per operation."""

    def __init__(
        self,
        body_type: type[B],
        *,
        may_be_absent: bool = False,
        size_max: int = BODY_SIZE_MAX,
        timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        """`may_be_absent`: no body means `{}`, for operations whose fields are all optional."""
        self.body_type = body_type
        self.may_be_absent = may_be_absent
        self.size_max = size_max
        self.timeout_s = timeout_s
        self._decode = msgspec.json.Decoder(body_type).decode

    async def read(self, request: web.Request) -> B:
        """The request's body, as soon as it has come. Raises a Problem (400, 413, 415 or 422), and what is raised after
        a wait."""
        return self.decode(await self.received(request))

    async def received(self, request: web.Request) -> bytes:
        """Its bytes, as soon as all have come. Raises a Problem (400, 413 or 415), and what is raised after a wait."""
        data = self._bytes_at_hand(request)
        if data is not None:
            return data
        data = await _read(request, self.size_max, self.timeout_s)
        if (after_wait := request.get(AFTER_WAIT)) is not None:
            await after_wait(request)
        return data

    def read_at_hand(self, request: web.Request) -> B | None:
        """The request's body, when all of it has come with the head, as nearly always; None when it has to be waited
        for. Raises as `read` does."""
        data = self._bytes_at_hand(request)
        return None if data is None else self.decode(data)

    def _bytes_at_hand(self, request: web.Request) -> bytes | None:
        headers = request.headers
        if hdrs.CONTENT_ENCODING in headers:
            _require_no_compression(headers[hdrs.CONTENT_ENCODING])
        content_type = headers.get(hdrs.CONTENT_TYPE)
        if content_type != _JSON and not (self.may_be_absent and not request.body_exists):
            _require_size(request, self.size_max)
            _require_json(content_type)
        data = body_at_hand(request.content)
        if data is not None and len(data) > self.size_max:
            raise _too_large(self.size_max)
        return data

    def decode(self, data: bytes) -> B:
        """Raises a Problem (400 or 422)."""
        if not data:
            if not self.may_be_absent:
                raise Problem(ProblemCode.MALFORMED_REQUEST, "The body is missing.")
            data = b"{}"
        try:
            body = self._decode(data)
        except msgspec.ValidationError as error:
            raise explained(self.body_type, data, [findings.first(error)]) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(error) from error
        # In what was decoded, which has bounds: what stands where an amount should may be anything of any size.
        if NUL in data and (nuls := findings.find_nul(body)):
            raise Problem(ProblemCode.VALIDATION_FAILED, errors=nuls)
        return body


async def expect(request: web.Request) -> None:
    """Tells a client that waits with its body to send it, unless its head already says what will be answered."""
    wanted = request.headers.get(hdrs.EXPECT, "").lower()
    length = request.content_length
    if wanted == "100-continue" and (length is None or length <= LARGE_BODY_SIZE_MAX) and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The head of the answer proper is counted from here.
        request.writer.output_size = 0


async def _read(request: web.Request, size_max: int, timeout_s: float) -> bytes:
    """A body that is still arriving, of known length or in chunks, no further than to the limit."""
    _require_size(request, size_max)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            while part := await request.content.readany():
                size += len(part)
                if size > size_max:
                    raise _too_large(size_max)
                parts.append(part)
    except TimeoutError as error:
        detail = f"The body did not arrive within {timeout_s:g} seconds."
        raise Problem(ProblemCode.MALFORMED_REQUEST, detail, is_last=True) from error
    except web.RequestPayloadError as error:
        detail = "The body is not framed as HTTP asks."
        raise Problem(ProblemCode.MALFORMED_REQUEST, detail, is_last=True) from error
    return b"".join(parts)


def explained(body_type: type[msgspec.Struct], data: bytes, stopped_at: list[FieldError]) -> Problem:
    """The decoder stopped at a wrong field. If what follows is not even JSON, that is the answer.

    Otherwise all fields at fault are named, but of a large body only the one that the decoder stopped at: to make
    objects of what no type bounds can take a second, if somebody made the body for that, so only its syntax is
    checked."""
    try:
        if len(data) > BODY_SIZE_MAX:
            data.decode()
            msgspec.json.decode(data, type=msgspec.Raw)
            errors = stopped_at
        else:
            msgspec.json.decode(data)
            errors = findings.find_in_json(body_type, data, stopped_at)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return malformed(error)
    return Problem(ProblemCode.VALIDATION_FAILED, errors=errors)


def malformed(error: Exception) -> Problem:
    match error:
        case RecursionError():
            detail = "The body is nested too deeply."
        case UnicodeDecodeError():
            detail = "The body is not UTF-8."
        case msgspec.ValidationError():
            detail = "A number in the body is absurd."
        case _:
            detail = f"{error}."
    return Problem(ProblemCode.MALFORMED_REQUEST, detail)


def _require_no_compression(content_encoding: str) -> None:
    if content_encoding.strip().lower() not in ("identity", ""):
        raise Problem(
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            "Compressed bodies are not accepted.",
            headers={"Accept-Encoding": "identity"},
            is_last=True,
        )


def _require_size(request: web.Request, size_max: int) -> None:
    if (request.content_length or 0) > size_max:
        raise _too_large(size_max)


def _require_json(content_type: str | None) -> None:
    """Parameters are let be: JSON is UTF-8, whatever a charset says (RFC 8259, 8.1 and 11)."""
    if content_type is None or content_type.partition(";")[0].strip().lower() != _JSON:
        raise Problem(
            ProblemCode.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.", headers={"Accept": _JSON}
        )


def _too_large(size_max: int) -> Problem:
    return Problem(ProblemCode.BODY_TOO_LARGE, f"The body is larger than {size_max // 1024} KiB.", is_last=True)
