"""What readers answer. Amounts are minor units, times microseconds since the Unix epoch."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from journal.entry import Entry, EntryType, Ledger

Key: TypeAlias = int | str
"""Where an item stands in the list that it was found in; the next page is what comes `before` it."""


class WrongKey(ValueError):
    """A key that no item of this list has."""


class PostedEntry(Struct, frozen=True):
    """An entry with what its `Transaction` needs besides."""

    entry: Entry
    position: int
    currency: str
    key: int


class SubjectRecord(Struct, frozen=True):
    """A charge or a credit request: the entry that opened it and the one that spoke of it last, maybe the same."""

    opening: Entry
    last: Entry
    currency: str
    key: Key


class AccountState(Struct, frozen=True):
    """An account as of its last entry, which has `seq` and `at_us`."""

    seller_id: str
    currency: str
    is_suspended: bool
    credit_limit: int
    available: int
    held: int
    seq: int
    at_us: int


class Head(Struct, frozen=True):
    """Where a seller's chain ends. Kept elsewhere, it shows that nothing up to there was rewritten or cut off."""

    seller_id: str
    seq: int
    hash: bytes


class Total(Struct, frozen=True):
    count: int
    amount: int


class StatementRecord(Struct, frozen=True):
    """Of available credit: `opening_balance` plus the totals is `closing_balance`."""

    currency: str
    opening_balance: int
    closing_balance: int
    entries: int
    totals: Mapping[EntryType, Total]


class CurrencySummary(Struct, frozen=True):
    """What the sellers of one currency did together in a time, and the credit that they hold after it."""

    currency: str
    sellers: int
    """All that there are, whether they did anything or not."""
    available: int
    held: int
    sold: int
    """By charges and captures; refunds are not taken off."""
    totals: Mapping[EntryType, Total]
    best: Sequence[tuple[str, int]]
    """Ids of those who sold most, the best first, and what they sold."""


class Summary(Struct, frozen=True):
    as_of_us: int
    position: int
    """Of the last entry that it knows of."""
    currencies: Sequence[CurrencySummary]
    """With the most sellers first."""


class LedgerTotals(Struct, frozen=True):
    account: Ledger
    debits: int
    credits: int

    @property
    def balance(self) -> int:
        """What has come in and not gone out again; negative for accounts that money comes from."""
        return self.credits - self.debits


class CurrencyTotals(Struct, frozen=True):
    currency: str
    accounts: Sequence[LedgerTotals]
    is_balanced: bool
    """Debits equal credits, and the sellers' accounts hold what their last entries say they hold."""

    @property
    def total_debits(self) -> int:
        return sum(account.debits for account in self.accounts)

    @property
    def total_credits(self) -> int:
        return sum(account.credits for account in self.accounts)


class TrialBalance(Struct, frozen=True):
    as_of_us: int
    currencies: Sequence[CurrencyTotals]
