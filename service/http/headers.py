"""The two headers that clients may give for our purposes: the idempotency key and the request's id."""

import itertools
import os
import re
from collections.abc import Callable
from typing import Final

from aiohttp import web
from multidict import istr

from service.http.json_response import REQUEST_ID
from service.problems import KEY_FIELD, invalid

IDEMPOTENCY_KEY: Final = istr("Idempotency-Key")
IDEMPOTENT_REPLAYED: Final = istr("Idempotent-Replayed")

_is_key: Final = re.compile(r"[\x20-\x7e]{1,255}").fullmatch
is_request_id: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch
"""Whether a client's own id for its request is safe to repeat."""


def request_ids() -> Callable[[], str]:
    """Makes an id for each request that brings none. Of C functions, so that no Python frame is entered: nearly every
    request needs one."""
    return map(f"{os.urandom(6).hex()}-{{:x}}".format, itertools.count(1)).__next__


def given_request_id(request: web.BaseRequest) -> str | None:
    """The client's own id for its request; None when there is none that is safe to repeat."""
    given = request.headers.get(REQUEST_ID)
    return given if given is not None and is_request_id(given) else None


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
