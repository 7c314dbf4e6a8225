"""What many operations of the documentation have in common: headers, the security scheme, and the introduction."""

from typing import Final

SECURITY: Final = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": "`Bearer`, a space, and a token (see `POST /v1/auth/token`) or an API key.",
}

IDEMPOTENCY_KEY: Final = {
    "in": "header",
    "name": "Idempotency-Key",
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[\x20-\x7e]+$",
    "required": False,
    "description": "1 to 255 printable ASCII characters. The same key with the same operation and body answers the "
    "first answer again, for ever.",
}

LAST_EVENT_ID: Final = {
    "in": "header",
    "name": "Last-Event-ID",
    "type": "string",
    "pattern": "^(0|[1-9][0-9]{0,17})$",
    "required": False,
    "description": "The `id` of the last event that was seen; `0`: from the beginning of the journal.",
}

REQUEST_ID: Final = {
    "in": "header",
    "name": "X-Request-Id",
    "type": "string",
    "maxLength": 128,
    "required": False,
    "description": "An id of the client's own for this request, answered and logged: 1 to 128 ASCII letters, digits "
    "and `. _ : / + = @ -`. Anything else is ignored, and an id made.",
}

ANSWER_HEADERS: Final = {"X-Request-Id": {"type": "string", "description": "The id of this request."}}
REPLAYED_HEADER: Final = {
    "Idempotent-Replayed": {"type": "string", "description": "`true` when this repeats an earlier answer."}
}

DESCRIPTION: Final = """\
Sells mobile top-up to resellers: prepaid credit, charges taken exactly once, a trail that cannot be changed unnoticed.

- **Auth**: `Authorization: Bearer <token or API key>`. A token lives 12 hours.
  What belongs to another seller answers 404.
- **Money**: strings with the currency's decimals, `"50.00"`. Requests may send a JSON number instead.
- **Ids**: UUIDs. **Times**: RFC 3339, UTC, microseconds; a date means its midnight, UTC.
- **Phone numbers**: E.164.
- **Bodies**: JSON up to 64 KiB (a batch: 4 MiB), never compressed.
  Unknown fields are refused, as are unknown parameters of a query.
- **Idempotency**: `Idempotency-Key` on any POST that changes an account, but for a batch, whose charges have their own
  keys. The same key with the same operation and body (compared by meaning) answers the first answer again, byte for
  byte, with `Idempotent-Replayed: true`; with another operation or body: 422. Remembered are every success, and a
  refusal of a charge for lack of credit, which differs in its `request_id` when it is repeated.
  A batch refuses the header; other operations ignore it.
- **Lists**: newest first; `next_cursor` of a page is the `cursor` of the next one.
- **Errors**: RFC 9457 `application/problem+json`. Decide by `code`; a 429 or 503 says by
  `Retry-After` when to come back.
"""
