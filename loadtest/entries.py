"""The journal as an auditor sees it: `Transaction` objects of the contract, money turned into minor units.

Decoding is strict: a member that is missing or of another type, or money in another form, is an
`UnreadableJournal`, whatever else the journal says.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct

from loadtest.money import to_minor

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class UnreadableJournal(Exception):
    """The service answered transactions that are not what the contract says; the text names the first."""


class JournalEntry(Struct, frozen=True, kw_only=True):
    """One Transaction. Amounts are minor units."""

    id: str
    seller_id: str
    seq: int
    position: int
    type: str
    amount: int
    held_change: int
    currency: str
    debit_account: str | None
    credit_account: str | None
    available_after: int
    held_after: int
    charge_id: str | None
    credit_request_id: str | None
    made_by: str
    reason: str | None
    details: dict[str, Any]
    previous_hash: str
    hash: str
    created_at: str

    @property
    def at_us(self) -> int:
        return micros(self.created_at)

    @property
    def key(self) -> str | None:
        """The idempotency key that the entry was made under."""
        return self.details.get("idempotency_key")

    @property
    def side(self) -> str:
        return "seller" if self.made_by == self.seller_id else "admin"

    def detail_amount(self, name: str) -> int:
        """An amount in the details; 0 if there is none."""
        text = self.details.get(name)
        return 0 if text is None else to_minor(text, self.currency)


_MONEY: Final = ("amount", "held_change", "available_after", "held_after")


def entry_of(transaction: dict[str, Any]) -> JournalEntry:
    """Raises UnreadableJournal."""
    try:
        minor = {name: to_minor(transaction[name], transaction["currency"]) for name in _MONEY}
        entry = msgspec.convert(transaction | minor, JournalEntry)
        micros(entry.created_at)
        entry.detail_amount("amount")
        entry.detail_amount("credit_limit")
        if entry.type == "hold":
            micros(entry.details["expires_at"])
    except (msgspec.ValidationError, ValueError, KeyError) as error:
        raise UnreadableJournal(f"{error!r} in {transaction!r}") from error
    return entry


def micros(time: object) -> int:
    """Microseconds since the Unix epoch of an RFC 3339 time in UTC. Raises ValueError."""
    if not isinstance(time, str) or not time.endswith("Z"):
        raise ValueError(f"not UTC: {time!r}")
    return (datetime.fromisoformat(time) - _EPOCH) // _MICROSECOND
