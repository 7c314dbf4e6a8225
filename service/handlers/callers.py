"""On whose behalf a command comes, under which idempotency key, and what the key stands for."""

from aiohttp import web

from actors.commands import Caller
from service.http.headers import idempotency_key
from service.identity.credentials import Principal
from service.meaning import Scalar, request_hash


def caller_of(
    request: web.Request, principal: Principal, operation: str, target: str | None, *values: Scalar
) -> Caller:
    """`operation`, and the order of `values`, stand in the journal for ever: never change them (`service.meaning`)."""
    key = idempotency_key(request)
    meaning = None if key is None else request_hash(operation, target, *values)
    return Caller(principal.user_id, principal.role == "admin", key, meaning)
