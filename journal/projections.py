"""Rows that say what is *open*, written in the same statement as the entries that changed them.

They exist so that a seller is loaded, and lists are filtered, at a cost independent of history. They are
derived: `verify` rebuilds each of them from the entries and compares. A charge that was completed at once and
never refunded has no row; neither has a declined one.

Each row carries the whole state after its `last_seq`, so of several changes in one flush only the last is kept.
"""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from journal.entry import Entry, EntryType


class ChargeStatus(StrEnum):
    """What has become of a charge; `pending` is a hold."""

    COMPLETED = "completed"
    PENDING = "pending"
    VOIDED = "voided"
    EXPIRED = "expired"
    FAILED = "failed"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


class CreditRequestStatus(StrEnum):
    """What has become of a credit request."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class AccountRow(Struct, frozen=True):
    """What may happen to a seller's account besides its balances, which stand in its last entry."""

    seller_id: str
    currency: str
    is_suspended: bool
    credit_limit: int


class ChargeRow(Struct, frozen=True):
    """A charge that was a hold, or was refunded. `seq` is that of the entry that opened it."""

    seller_id: str
    seq: int
    id: str
    status: ChargeStatus
    amount: int
    """Minor units: what was held, then what was captured."""
    refunded: int
    expires_at_us: int | None
    last_seq: int


class Approval(Struct, frozen=True):
    by: str
    at_us: int


class CreditRequestRow(Struct, frozen=True):
    """A credit request. `seq` is that of its `credit_requested` entry."""

    seller_id: str
    seq: int
    id: str
    status: CreditRequestStatus
    amount: int
    note: str | None
    requested_at_us: int
    last_seq: int
    approvals: tuple[Approval, ...] = ()
    decision_note: str | None = None
    decided_by: str | None = None
    decided_at_us: int | None = None


Row: TypeAlias = AccountRow | ChargeRow | CreditRequestRow


class OpenedCharge(Struct, frozen=True):
    """A charge in any status, with the entry that opened it."""

    row: ChargeRow
    opening: Entry


class OpenedRequest(Struct, frozen=True):
    """A credit request in any status, with the entry that opened it."""

    row: CreditRequestRow
    opening: Entry


def unwritten_charge(opening: Entry) -> ChargeRow | None:
    """The state of a charge that has no row: completed at once, or declined; None when the entry opens no charge."""
    if opening.type is EntryType.CHARGE:
        status, amount = ChargeStatus.COMPLETED, -opening.amount
    elif opening.type is EntryType.DECLINED:
        status, amount = ChargeStatus.FAILED, 0
    else:
        return None
    return ChargeRow(opening.seller_id, opening.seq, opening.id, status, amount, 0, None, opening.seq)
