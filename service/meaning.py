"""The meaning of a request in 16 bytes, so that a repeated idempotency key can be told from a reused one.

Hashed is what was understood, never the bytes that came: amounts as minor units, phone numbers as E.164,
defaults filled in, metadata sorted by name. So `"5.00"`, `"5.0"` and `5` under one key are one request.

The hash stands in the journal for ever. What a hash covers must not change with names in our code: callers
pass the values of an operation in an order that is fixed once, and only ever append to it.
"""

from hashlib import sha256
from typing import TypeAlias

import msgspec

Scalar: TypeAlias = str | int | bool | None

_encode = msgspec.json.Encoder().encode


def request_hash(operation: str, target: str | None, *values: Scalar) -> bytes:
    """SHA-256, cut to 16 bytes, over the JSON array of all arguments; 1 us."""
    return sha256(_encode((operation, target, values))).digest()[:16]


def canonical_metadata(metadata: dict[str, str] | None) -> str | None:
    """JSON object text, sorted by name: as it is hashed, journalled and answered. None for none, or empty."""
    return msgspec.json.encode(metadata, order="sorted").decode() if metadata else None
