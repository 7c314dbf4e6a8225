"""The `Entry`: one fact about one seller's account, a double-entry line and a database row at once.

Every entry moves at most one amount from one account to another:

    type              from (debit)   to (credit)    amount      held_change
    credit            funding        available      +           0
    adjustment        adjustments    available      +           0             a credit
    adjustment        available      adjustments    -           0             a debit
    charge            available      sales          -           0
    hold              available      held           -           +
    capture           held           sales          0           -
    void, expiry      held           available      +           -
    refund            sales          available      +           0
    all others        nothing moves                 0           0

`available` and `held` belong to the seller; `funding`, `sales` and `adjustments` to the house. "Debit" is
where the amount comes from, "credit" where it goes. Since an entry names both ends of one amount, debits
equal credits by construction; what remains to be checked is the arithmetic of the balances after it.

Pure: no input or output, no clock, no randomness. Amounts are integers in minor units of the seller's
currency, times are microseconds since the Unix epoch.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from journal.ids import entry_id

GENESIS_HASH: Final = bytes(32)
"""The `previous_hash` of every seller's first entry."""


class EntryType(StrEnum):
    """What has happened."""

    OPENED = "opened"
    CREDIT_REQUESTED = "credit_requested"
    CREDIT_ENDORSED = "credit_endorsed"
    CREDIT = "credit"
    CREDIT_REJECTED = "credit_rejected"
    CREDIT_CANCELLED = "credit_cancelled"
    ADJUSTMENT = "adjustment"
    CHARGE = "charge"
    DECLINED = "declined"
    HOLD = "hold"
    CAPTURE = "capture"
    VOID = "void"
    EXPIRY = "expiry"
    REFUND = "refund"
    SUSPENDED = "suspended"
    REINSTATED = "reinstated"
    LIMIT_CHANGED = "limit_changed"

    # Types are looked up in sets on the hot path, and an Enum's own hash is a call into Python.
    __hash__ = str.__hash__


class Ledger(StrEnum):
    """The accounts that amounts move between."""

    AVAILABLE = "available"
    HELD = "held"
    FUNDING = "funding"
    SALES = "sales"
    ADJUSTMENTS = "adjustments"


CHARGE_OPENERS: Final = frozenset({EntryType.CHARGE, EntryType.HOLD, EntryType.DECLINED})
"""Types whose entry *is* the charge: the charge's id is the entry's."""

CHARGE_FOLLOWERS: Final = frozenset({EntryType.CAPTURE, EntryType.VOID, EntryType.EXPIRY, EntryType.REFUND})
"""Types that continue a charge: their `subject_id` is the charge's id."""

REQUEST_FOLLOWERS: Final = frozenset(
    {EntryType.CREDIT_ENDORSED, EntryType.CREDIT, EntryType.CREDIT_REJECTED, EntryType.CREDIT_CANCELLED}
)
"""Types that continue a credit request: their `subject_id` is the request's id."""

_FLOWS: Final[dict[EntryType, tuple[Ledger, Ledger]]] = {
    EntryType.CREDIT: (Ledger.FUNDING, Ledger.AVAILABLE),
    EntryType.CHARGE: (Ledger.AVAILABLE, Ledger.SALES),
    EntryType.HOLD: (Ledger.AVAILABLE, Ledger.HELD),
    EntryType.CAPTURE: (Ledger.HELD, Ledger.SALES),
    EntryType.VOID: (Ledger.HELD, Ledger.AVAILABLE),
    EntryType.EXPIRY: (Ledger.HELD, Ledger.AVAILABLE),
    EntryType.REFUND: (Ledger.SALES, Ledger.AVAILABLE),
}


class Entry(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One fact. `available_after` is the sum of `amount` over the seller's entries up to and with this one."""

    seller_id: str
    seq: int
    at_us: int
    type: EntryType
    amount: int = 0
    """Signed effect on available credit."""
    held_change: int = 0
    available_after: int
    held_after: int
    credit_limit: int
    """The limit in force after this entry: available credit never passes its floor, minus this."""
    made_by: str | None
    """A user's id; None for what the service did by itself (an expiry, the opening)."""
    by_admin: bool = False
    """The side that acted, and so whose namespace the idempotency key is in."""
    subject_id: str | None = None
    """The charge or credit request that this entry continues; None for one that begins one, or has none."""
    idempotency_key: str | None = None
    request_hash: bytes | None = None
    """16 bytes that stand for the meaning of the request that carried the key."""
    phone_number: str | None = None
    reference: str | None = None
    reason: str | None = None
    details: str | None = None
    """JSON object text of what the type needs besides, kept to the byte since the hash covers it."""
    previous_hash: bytes
    hash: bytes = b""
    """Set once by `journal.chain.seal`."""

    @property
    def id(self) -> str:
        return entry_id(self.seller_id, self.seq, self.at_us)

    @property
    def charge_id(self) -> str | None:
        if self.type in CHARGE_OPENERS:
            return self.id
        return self.subject_id if self.type in CHARGE_FOLLOWERS else None

    @property
    def credit_request_id(self) -> str | None:
        if self.type is EntryType.CREDIT_REQUESTED:
            return self.id
        return self.subject_id if self.type in REQUEST_FOLLOWERS else None


def moved(entry: Entry) -> int:
    """The amount that moves from the debited to the credited account, never negative."""
    return max(abs(entry.amount), abs(entry.held_change))


def flow_of(entry: Entry) -> tuple[Ledger, Ledger] | None:
    """The (debited, credited) accounts: where the amount comes from and where it goes; None when nothing moves."""
    if moved(entry) == 0:
        return None
    if entry.type is EntryType.ADJUSTMENT:
        forth = (Ledger.ADJUSTMENTS, Ledger.AVAILABLE)
        return forth if entry.amount > 0 else (forth[1], forth[0])
    return _FLOWS[entry.type]
