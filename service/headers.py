"""The two request headers of our own: the idempotency key and the request's id."""

import re
from collections.abc import Callable
from typing import Final

from aiohttp import web
from multidict import istr

from service.json_response import REQUEST_ID
from service.problems import KEY_FIELD, invalid

IDEMPOTENCY_KEY: Final = istr("Idempotency-Key")
IDEMPOTENT_REPLAYED: Final = istr("Idempotent-Replayed")

_is_key: Final = re.compile(r"[\x20-\x7e]{1,255}").fullmatch
_is_request_id: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch


def idempotency_key(request: web.Request) -> str | None:
    """The key under which the request is remembered. Raises a 422 for anything but 1 to 255 printable ASCII."""
    given = request.headers.getall(IDEMPOTENCY_KEY, None)
    if given is None:
        return None
    if len(given) != 1:
        raise invalid(KEY_FIELD, "Given more than once.")
    if _is_key(given[0]) is None:
        raise invalid(KEY_FIELD, "Expected 1 to 255 printable ASCII characters.")
    return given[0]


def request_id(request: web.Request, make: Callable[[], str]) -> str:
    """The client's own id for the request if it is safe to repeat, or a new one."""
    given = request.headers.get(REQUEST_ID)
    return given if given is not None and _is_request_id(given) else make()
