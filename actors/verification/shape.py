"""What an entry of each type looks like, whatever the state of its account: who makes it, what it moves, what it says.

The hash covers one text made of several columns (see `journal.chain`). What is checked here makes sure that this
text can be read in one way only, so that nothing can be moved from one column to another under the same hash: a
phone number is digits, `details` has exactly the members of its type.

Pure. Knows the types of `journal.entry`; a new one needs its row in `SHAPES`.
"""

import re
from enum import Enum
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from journal.entry import Entry, EntryType

_PHONE_NUMBER: Final = re.compile(r"\+[0-9]{2,20}", re.ASCII).fullmatch
_REQUEST_HASH_LENGTH: Final = 16


class Side(Enum):
    SELLER = "its seller"
    ADMIN = "an admin"
    SYSTEM = "the service"
    OPENER = "the service or an admin"


class NoDetails(Struct, forbid_unknown_fields=True):
    """Nothing, or nothing more than columns of their own hold."""


class OpenedDetails(Struct, forbid_unknown_fields=True):
    currency: str


class ChargeDetails(Struct, forbid_unknown_fields=True):
    metadata: dict[str, str] = {}


class HoldDetails(Struct, forbid_unknown_fields=True):
    expires_at: str
    metadata: dict[str, str] = {}


class DeclinedDetails(Struct, forbid_unknown_fields=True):
    amount: str
    metadata: dict[str, str] = {}
    failure_code: Literal["batch_aborted"] | None = None


class RefundDetails(Struct, forbid_unknown_fields=True):
    charge_amount: str
    refunded_amount: str


class RequestDetails(Struct, forbid_unknown_fields=True):
    amount: str


class ApprovalDetails(Struct, forbid_unknown_fields=True):
    by: str
    at: str


class DecisionDetails(Struct, forbid_unknown_fields=True):
    approvals: list[ApprovalDetails] = []


class LimitDetails(Struct, forbid_unknown_fields=True):
    credit_limit: str


class Shape:
    """Of the entries of one type."""

    __slots__ = ("amount", "decoder", "default", "has_phone_number", "has_reason", "has_subject", "held", "side")

    def __init__(
        self,
        side: Side,
        amount: int | None = 0,
        held: int | None = 0,
        *,
        details: type[Struct] = NoDetails,
        sells: bool = False,
        follows: bool = False,
        has_reason: bool = False,
    ) -> None:
        """`amount`: its sign, None for either. `held`: what `held_change` is of the amount (0 or -1), None when it
        moves alone, out of `held`."""
        self.side = side
        self.amount = amount
        self.held = held
        self.decoder = msgspec.json.Decoder(details)
        try:
            self.default: Struct | None = details()
        except TypeError:
            self.default = None
        self.has_phone_number = sells
        self.has_subject = follows
        self.has_reason = has_reason


SHAPES: Final = {
    EntryType.OPENED: Shape(Side.OPENER, details=OpenedDetails),
    EntryType.CREDIT_REQUESTED: Shape(Side.SELLER, details=RequestDetails, has_reason=True),
    EntryType.CREDIT_ENDORSED: Shape(Side.ADMIN, details=DecisionDetails, follows=True, has_reason=True),
    EntryType.CREDIT: Shape(Side.ADMIN, 1, details=DecisionDetails, follows=True, has_reason=True),
    EntryType.CREDIT_REJECTED: Shape(Side.ADMIN, details=DecisionDetails, follows=True, has_reason=True),
    EntryType.CREDIT_CANCELLED: Shape(Side.SELLER, details=DecisionDetails, follows=True, has_reason=True),
    EntryType.ADJUSTMENT: Shape(Side.ADMIN, None, has_reason=True),
    EntryType.CHARGE: Shape(Side.SELLER, -1, details=ChargeDetails, sells=True),
    EntryType.DECLINED: Shape(Side.SELLER, details=DeclinedDetails, sells=True),
    EntryType.HOLD: Shape(Side.SELLER, -1, -1, details=HoldDetails, sells=True),
    EntryType.CAPTURE: Shape(Side.SELLER, 0, None, follows=True),
    EntryType.VOID: Shape(Side.SELLER, 1, -1, follows=True),
    EntryType.EXPIRY: Shape(Side.SYSTEM, 1, -1, follows=True),
    EntryType.REFUND: Shape(Side.ADMIN, 1, details=RefundDetails, follows=True, has_reason=True),
    EntryType.SUSPENDED: Shape(Side.ADMIN),
    EntryType.REINSTATED: Shape(Side.ADMIN),
    EntryType.LIMIT_CHANGED: Shape(Side.ADMIN, details=LimitDetails),
}


def misshapen(entry: Entry) -> str | None:
    """What no entry of its type looks like; None when it looks right."""
    shape = SHAPES[entry.type]
    amount, held_change = entry.amount, entry.held_change
    sign = (amount > 0) - (amount < 0)
    if sign != shape.amount and (shape.amount is not None or sign == 0):
        return f"an amount of {amount} in minor units is not that of a {entry.type}"
    if held_change >= 0 if shape.held is None else held_change != shape.held * amount:
        return f"a held_change of {held_change} in minor units is not that of a {entry.type}"
    if not _is_made_by(entry, shape.side):
        return f"a {entry.type} is made by {shape.side.value} alone"
    if (entry.subject_id is None) == shape.has_subject:
        return "it continues nothing" if shape.has_subject else "it continues something"
    phone_number = entry.phone_number
    if (phone_number is None) == shape.has_phone_number or (phone_number and not _PHONE_NUMBER(phone_number)):
        return "the phone number is not one, or not of an entry of its type"
    if entry.reference is not None and not shape.has_phone_number:
        return "only an entry that opens a charge has a reference"
    if entry.reason is not None and not shape.has_reason:
        return f"a {entry.type} has no reason"
    if entry.details == "{}":
        return "details without members are none"
    if entry.idempotency_key is None:
        if entry.request_hash is not None:
            return "it has a request_hash without an idempotency key"
    elif entry.request_hash is None or len(entry.request_hash) != _REQUEST_HASH_LENGTH:
        return "it has an idempotency key without a request_hash"
    elif entry.made_by is None:
        return "what the service does by itself has no idempotency key"
    return None


def details_of(entry: Entry) -> Any:
    """The details in the Struct of its type. Raises msgspec.ValidationError, or ValueError where there are none."""
    shape = SHAPES[entry.type]
    if entry.details is not None:
        return shape.decoder.decode(entry.details)
    if shape.default is None:
        raise ValueError("its details are missing")
    return shape.default


def _is_made_by(entry: Entry, side: Side) -> bool:
    made_by, by_admin = entry.made_by, entry.by_admin
    if side is Side.SELLER:
        return made_by == entry.seller_id and by_admin is False
    if made_by is None:
        return side is not Side.ADMIN and by_admin is False
    return side is not Side.SYSTEM and by_admin is True and made_by != entry.seller_id
