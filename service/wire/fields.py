"""The kinds of fields that requests and answers are made of: their bounds, and how they are documented.

Bounds are those of the contract (`/swagger.json`), in characters. A request's amount stays raw JSON text until it is
matched against the grammar of its currency (`service.amounts`), so no float is ever made from it. Strings with a NUL
are refused for all fields at once where bodies and queries are decoded.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Raw

from journal.money import TEXT_PATTERN
from service.identity.passwords import LENGTH_MAX, LENGTH_MIN

EXAMPLE_ID: Final = "0195f3a2-c4b0-7000-8000-002a5d3e9c41"
_EXAMPLE_TIME: Final = "2026-11-23T10:00:00.123456Z"
_UUID: Final = {"format": "uuid"}
_TIME: Final = {"format": "date-time"}
_AMOUNT: Final = {"type": "string", "pattern": f"^{TEXT_PATTERN}$"}
_END: Final = r"$(?!\n)"
"""Of a pattern. In Python `$` alone lets a last line break pass, and readers of the documentation know no `\\Z`."""

Role: TypeAlias = Literal["admin", "seller"]
SellerStatus: TypeAlias = Literal["active", "suspended"]
AdminStatus: TypeAlias = Literal["active", "disabled"]
Direction: TypeAlias = Literal["credit", "debit"]


class Instant(int):
    """A time in a query: RFC 3339, or a date, decoded to microseconds since the Unix epoch."""


class Bound(int):
    """The beginning or the end of a period in a query, like `Instant`. Finer decimals are rounded up: what is earlier
    than the bound stays earlier, and what is not does not become so."""


class FilterId(str):
    """An id in a query: a UUID, decoded to its canonical text."""


# --- requests ---------------------------------------------------------------------------------------------

Amount = Annotated[
    Raw,
    Meta(
        description="More than zero, with at most the currency's decimals. A JSON number is accepted too.",
        examples=["50.00"],
        extra_json_schema=_AMOUNT,
    ),
]
LimitAmount = Annotated[
    Raw,
    Meta(
        description="How far available credit may go below zero; may be zero. A JSON number is accepted too.",
        examples=["0.00"],
        extra_json_schema=_AMOUNT,
    ),
]
Username = Annotated[
    str,
    Meta(
        description="ASCII letters, digits and `@ . + - _`.",
        examples=["kiosk-17"],
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9@.+_-]+" + _END,
    ),
]
NewPassword = Annotated[
    str,
    Meta(
        description=f"{LENGTH_MIN} to {LENGTH_MAX} characters.",
        examples=["correct horse 7"],
        min_length=LENGTH_MIN,
        max_length=LENGTH_MAX,
    ),
]
GivenPassword = Annotated[
    str, Meta(description="The user's password.", examples=["correct horse 7"], max_length=LENGTH_MAX)
]
"""A password to be checked: whatever is not the right one is wrong, short ones are no case of their own."""
GivenUsername = Annotated[str, Meta(description="The name to sign in with.", examples=["kiosk-17"], max_length=100)]
DisplayName = Annotated[
    str, Meta(description="For people.", examples=["Kiosk 17"], min_length=1, max_length=100, pattern=r"\S")
]
Currency = Annotated[
    str,
    Meta(
        description="ISO 4217, in capitals; fixed for ever. Default: the service's.",
        examples=["USD"],
        max_length=3,
        extra_json_schema={"pattern": "^[A-Z]{3}$"},
    ),
]
Note = Annotated[str, Meta(description="For people.", examples=["cash received"], max_length=500)]
Reason = Annotated[
    str,
    Meta(
        description="For the audit trail.",
        examples=["wrong number"],
        min_length=1,
        max_length=500,
        pattern=r"\S",
    ),
]
PhoneNumber = Annotated[
    str,
    Meta(
        description="E.164, or national where the service has a default region: a possible mobile number.",
        examples=["+15550100001"],
        max_length=40,
    ),
]
Reference = Annotated[str, Meta(description="The seller's own word for it.", examples=["order-4711"], max_length=100)]
MetadataName = Annotated[str, Meta(max_length=40)]
MetadataValue = Annotated[str, Meta(max_length=500)]
Metadata = Annotated[
    dict[MetadataName, MetadataValue],
    Meta(
        description="At most 20 strings, kept with the charge; names to 40 characters, values to 500.",
        examples=[{"till": "3"}],
        max_length=20,
    ),
]
ItemKey = Annotated[
    str,
    Meta(
        description="Idempotency key of the charge, in the same namespace as those of single charges.",
        examples=["order-4711"],
        pattern="^[ -~]{1,255}" + _END,
    ),
]
ExpiresIn = Annotated[
    int,
    Meta(description="Seconds until a hold gives its credit back by itself.", examples=[900], ge=1, le=604_800),
]

# --- queries ----------------------------------------------------------------------------------------------

PageLimit = Annotated[int, Meta(description="How many at most.", ge=1, le=100)]
Cursor = Annotated[str, Meta(description="`next_cursor` of the page before.", max_length=1000)]
SellerFilter = Annotated[
    str, Meta(description="Whose; for admins. A seller's own id is accepted from the seller itself.")
]
Search = Annotated[str, Meta(description="Part of the name or the username.", max_length=100)]
IdempotencyKey = Annotated[
    str, Meta(description="The key that it was sent under.", examples=["sale-4711"], max_length=255)
]
From = Annotated[Bound, Meta(description="Not earlier than this time, or the midnight (UTC) of a date.")]
To = Annotated[Bound, Meta(description="Earlier than this time, or the midnight (UTC) of a date.")]

# --- answers ----------------------------------------------------------------------------------------------

Id = Annotated[str, Meta(description="UUID.", examples=[EXAMPLE_ID], extra_json_schema=_UUID)]
Time = Annotated[
    str,
    Meta(description="UTC, with microseconds.", examples=[_EXAMPLE_TIME], extra_json_schema=_TIME),
]
UserRole = Annotated[Role, Meta(description="Of the user: decides what may be asked.")]
KnownUsername = Annotated[str, Meta(description="The name that the user signs in with.", examples=["kiosk-17"])]
Money = Annotated[str, Meta(description="With the currency's decimals.", examples=["50.00"])]
SignedMoney = Annotated[str, Meta(description="With the currency's decimals.", examples=["-50.00"])]
CurrencyCode = Annotated[str, Meta(description="ISO 4217.", examples=["USD"])]
E164 = Annotated[str, Meta(description="E.164.", examples=["+15550100001"])]
HexHash = Annotated[str, Meta(description="SHA-256, hexadecimal.", examples=["9f2c" * 16])]
JsonObject = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
StringMap = Annotated[
    Raw,
    Meta(
        description="As it was given.",
        examples=[{"till": "3"}],
        extra_json_schema={"type": "object", "additionalProperties": {"type": "string"}},
    ),
]
