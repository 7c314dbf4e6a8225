"""Problems: every way in which a request can fail, as RFC 9457 documents, from one table.

A `Problem` may be raised anywhere between decoding a request and encoding its answer; `Problem.response` is
the only place that makes an error's status, headers and body. The table is part of the API's contract
(`/swagger.json`): codes are for programs and never change, titles and details are for people and may.

The `type` of a problem is `/problems/<code>`, a reference that is stable and unique within the service.

Adding a code: 1. its word in `ProblemCode`; 2. its row in `PROBLEMS`; 3. in the `codes` of each operation
(`service/swagger/operations.py`) that may answer it, so that the contract says so; 4. in
`tests/service/test_problems.py`.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from journal.store import JournalFault, JournalFrozen, JournalUnavailable, OutcomeUnknown
from service.http.json_response import JsonResponse

CONTENT_TYPE: Final = "application/problem+json"


class ProblemCode(StrEnum):
    MALFORMED_REQUEST = "malformed_request"
    UNAUTHENTICATED = "unauthenticated"
    INSUFFICIENT_CREDIT = "insufficient_credit"
    FORBIDDEN = "forbidden"
    SELLER_SUSPENDED = "seller_suspended"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    USERNAME_TAKEN = "username_taken"
    ALREADY_DECIDED = "already_decided"
    NOT_PENDING = "not_pending"
    REFUND_EXCEEDS_CHARGE = "refund_exceeds_charge"
    LIMIT_IN_USE = "limit_in_use"
    TOO_MANY_PENDING = "too_many_pending"
    SECOND_ADMIN_NEEDED = "second_admin_needed"
    LAST_ADMIN = "last_admin"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    VALIDATION_FAILED = "validation_failed"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    INTERNAL_ERROR = "internal_error"
    OVERLOADED = "overloaded"
    JOURNAL_UNAVAILABLE = "journal_unavailable"
    STANDBY = "standby"
    DRAINING = "draining"
    NOT_APPLIED = "not_applied"
    OUTCOME_UNKNOWN = "outcome_unknown"


class Kind(Struct, frozen=True):
    """What all problems of one code have in common."""

    status: int
    title: str
    detail: str
    """What to say when nothing more exact is known."""
    retry_after_s: int | None = None


KEY_FIELD: Final = "Idempotency-Key"
"""What the errors of a 422 call a request's idempotency key."""

PROBLEMS: Final[Mapping[ProblemCode, Kind]] = {
    ProblemCode.MALFORMED_REQUEST: Kind(
        400, "Malformed request", "The body is not JSON in UTF-8, or the query is not UTF-8."
    ),
    ProblemCode.UNAUTHENTICATED: Kind(
        401, "Not authenticated", "A valid token or API key is needed: Authorization: Bearer ..."
    ),
    ProblemCode.INSUFFICIENT_CREDIT: Kind(
        402, "Insufficient credit", "The available credit does not cover the amount."
    ),
    ProblemCode.FORBIDDEN: Kind(403, "Forbidden", "These credentials may not do this."),
    ProblemCode.SELLER_SUSPENDED: Kind(
        403, "Seller suspended", "The seller is suspended; it may read and end what it began."
    ),
    ProblemCode.NOT_FOUND: Kind(404, "Not found", "There is no such thing here."),
    ProblemCode.METHOD_NOT_ALLOWED: Kind(405, "Method not allowed", "This address takes other methods."),
    ProblemCode.USERNAME_TAKEN: Kind(409, "Username taken", "Another user has this username."),
    ProblemCode.ALREADY_DECIDED: Kind(409, "Already decided", "The credit request is not pending any more."),
    ProblemCode.NOT_PENDING: Kind(409, "Not pending", "The charge is not a pending hold."),
    ProblemCode.REFUND_EXCEEDS_CHARGE: Kind(
        409, "Refund exceeds charge", "No more can be refunded than was charged and is not refunded yet."
    ),
    ProblemCode.LIMIT_IN_USE: Kind(
        409, "Credit limit in use", "The seller already uses more credit than the new limit allows."
    ),
    ProblemCode.TOO_MANY_PENDING: Kind(
        409, "Too many pending requests", "Wait for a decision on, or cancel, one of the pending requests."
    ),
    ProblemCode.SECOND_ADMIN_NEEDED: Kind(
        409, "Second admin needed", "An amount as large as this needs the approval of two admins."
    ),
    ProblemCode.LAST_ADMIN: Kind(409, "Last admin", "The last active admin cannot be disabled."),
    ProblemCode.BODY_TOO_LARGE: Kind(413, "Body too large", "The body is larger than is accepted here."),
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: Kind(
        415, "Unsupported media type", "The body must be application/json, and not compressed."
    ),
    ProblemCode.VALIDATION_FAILED: Kind(422, "Validation failed", "See errors for the fields at fault."),
    ProblemCode.IDEMPOTENCY_KEY_REUSED: Kind(
        422, "Idempotency key reused", "This key has been used with another operation or body."
    ),
    ProblemCode.RATE_LIMITED: Kind(
        429, "Rate limited", "Too many commands of this seller are in flight.", retry_after_s=1
    ),
    ProblemCode.TOO_MANY_ATTEMPTS: Kind(
        429, "Too many attempts", "Too many attempts to sign in have failed.", retry_after_s=60
    ),
    ProblemCode.INTERNAL_ERROR: Kind(500, "Internal error", "Something went wrong here; it has been noted."),
    ProblemCode.OVERLOADED: Kind(
        503, "Overloaded", "Too many commands are in flight; this one was not applied.", retry_after_s=1
    ),
    ProblemCode.JOURNAL_UNAVAILABLE: Kind(
        503, "Journal unavailable", "The journal cannot be reached; nothing was applied.", retry_after_s=2
    ),
    ProblemCode.STANDBY: Kind(503, "Standby", "Another instance is serving; ask it.", retry_after_s=5),
    ProblemCode.DRAINING: Kind(503, "Draining", "This instance is about to stop.", retry_after_s=5),
    ProblemCode.NOT_APPLIED: Kind(503, "Not applied", "This was certainly not applied.", retry_after_s=1),
    ProblemCode.OUTCOME_UNKNOWN: Kind(
        503,
        "Outcome unknown",
        "Whether this was applied is not known yet; ask again with the same idempotency key.",
        retry_after_s=1,
    ),
}


class FieldError(Struct, frozen=True):
    """What is wrong with one field of the body, or one parameter."""

    field: Annotated[
        str, Meta(description="Path of the field, dots between names; empty: the body.", examples=["amount"])
    ]
    message: Annotated[str, Meta(description="For people.", examples=["Required."])]


class ProblemDocument(Struct, frozen=True, omit_defaults=True, rename={"type_": "type"}):
    """RFC 9457. `code` is for programs; texts are for people and may change."""

    type_: Annotated[
        str, Meta(description="Stable reference of this kind.", examples=["/problems/insufficient_credit"])
    ]
    title: Annotated[str, Meta(description="The kind in a few words.", examples=["Insufficient credit"])]
    status: Annotated[int, Meta(description="The status of the answer.", examples=[402])]
    detail: Annotated[
        str,
        Meta(
            description="What happened this time.",
            examples=["The available credit does not cover the amount."],
        ),
    ]
    code: Annotated[ProblemCode, Meta(description="The word that programs decide by.")]
    request_id: Annotated[str, Meta(description="The answer's `X-Request-Id`.", examples=["0195f3a2c4b07d31"])]
    errors: Annotated[tuple[FieldError, ...] | UnsetType, Meta(description="With status 422: the fields at fault.")] = (
        UNSET
    )
    available: Annotated[
        str | UnsetType,
        Meta(description="With `insufficient_credit`: the available credit.", examples=["12.50"]),
    ] = UNSET
    charge_id: Annotated[
        str | UnsetType,
        Meta(description="With `insufficient_credit`: the id under which the declined charge is kept."),
    ] = UNSET


FROZEN_RETRY_AFTER_S: Final = 60
"""For what ends when a person has looked at it."""

_encode: Final = msgspec.json.Encoder().encode


class Problem(Exception):
    """A request that is answered with an error; raise it, or answer with its `response`."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        available: str | None = None,
        charge_id: str | None = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
        is_last: bool = False,
    ) -> None:
        """`is_last` closes the connection after the answer, for a body that is better not read to its end."""
        super().__init__(code)
        kind = PROBLEMS[code]
        self.code = code
        self.status = kind.status
        self.detail = detail or kind.detail
        self.errors = tuple(errors)
        self.available = available
        self.charge_id = charge_id
        self.retry_after_s = retry_after_s or kind.retry_after_s
        self.is_last = is_last
        self.headers = dict(headers) if headers else {}
        if self.retry_after_s is not None:
            self.headers["Retry-After"] = str(self.retry_after_s)
        if code is ProblemCode.UNAUTHENTICATED:
            self.headers.setdefault("WWW-Authenticate", 'Bearer realm="charge-shop"')

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail}"

    def body(self, request_id: str) -> bytes:
        return _encode(
            ProblemDocument(
                f"/problems/{self.code}",
                PROBLEMS[self.code].title,
                self.status,
                self.detail,
                self.code,
                request_id,
                self.errors or UNSET,
                self.available if self.available is not None else UNSET,
                self.charge_id if self.charge_id is not None else UNSET,
            )
        )

    def response(self, request_id: str) -> JsonResponse:
        response = JsonResponse(self.body(request_id), self.status, self.headers, CONTENT_TYPE)
        response.request_id = request_id
        response.is_last = self.is_last
        return response


def invalid(field: str, message: str) -> Problem:
    """422 for one field."""
    return Problem(ProblemCode.VALIDATION_FAILED, errors=(FieldError(field, message),))


def not_found() -> Problem:
    """404: one body for an unknown id, a malformed one, and one that belongs to another seller."""
    return Problem(ProblemCode.NOT_FOUND)


def of_journal_fault(fault: JournalFault) -> Problem:
    """Every fault of the journal leaves nothing written, save the one that does not know."""
    match fault:
        case OutcomeUnknown():
            return Problem(ProblemCode.OUTCOME_UNKNOWN)
        case JournalFrozen():
            return Problem(
                ProblemCode.JOURNAL_UNAVAILABLE,
                "The journal was restored from a backup and takes no changes until an operator confirms that with "
                "`charge-shop confirm-restore`; this was not applied.",
                retry_after_s=FROZEN_RETRY_AFTER_S,
            )
        case JournalUnavailable():
            return Problem(ProblemCode.JOURNAL_UNAVAILABLE)
        case _:
            return Problem(ProblemCode.NOT_APPLIED)


def of_http_error(error: web.HTTPException) -> Problem:
    """What aiohttp itself answers with: unknown paths, wrong methods, bodies beyond its own limit."""
    match error:
        case web.HTTPNotFound():
            return not_found()
        case web.HTTPMethodNotAllowed():
            return Problem(ProblemCode.METHOD_NOT_ALLOWED, headers={"Allow": error.headers["Allow"]})
        case web.HTTPRequestEntityTooLarge():
            return Problem(ProblemCode.BODY_TOO_LARGE, is_last=True)
        case web.HTTPUnsupportedMediaType():
            return Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE)
        case _ if 400 <= error.status < 500:
            return Problem(ProblemCode.MALFORMED_REQUEST, "The request is not HTTP as it should be.")
        case _:
            return Problem(ProblemCode.INTERNAL_ERROR)
