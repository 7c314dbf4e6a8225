"""The reader of one cell: all questions that are answered from the database and not by an actor."""

from journal.reading.accounts import Accounts
from journal.reading.charges import Charges
from journal.reading.credit_requests import CreditRequests
from journal.reading.records import (
    AccountState,
    CurrencySummary,
    CurrencyTotals,
    Head,
    Key,
    LedgerTotals,
    PostedEntry,
    StatementRecord,
    SubjectRecord,
    Summary,
    Total,
    TrialBalance,
    WrongKey,
)
from journal.reading.statement import Statements
from journal.reading.summary import Summaries
from journal.reading.transactions import Transactions
from journal.reading.trial_balance import TrialBalances

__all__ = [
    "AccountState",
    "CurrencySummary",
    "CurrencyTotals",
    "Head",
    "Key",
    "LedgerTotals",
    "PostedEntry",
    "Reader",
    "StatementRecord",
    "SubjectRecord",
    "Summary",
    "Total",
    "TrialBalance",
    "WrongKey",
]


class Reader(Transactions, Charges, CreditRequests, Accounts, Statements, Summaries, TrialBalances):
    """`Reader(pool, cell)`; its methods stand with their subjects, see `journal.reading`."""
