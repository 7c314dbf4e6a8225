"""One seller's journal, entry by entry, from the first: what is wrong with the next one.

The state moves by the same `apply` as that of live traffic. Everything that an entry claims is checked before or
by that: the hash over its content and its predecessor's hash, the numbering, the arithmetic of the balances, the
floor, who may make it, and what may follow what. An assertion of `apply` that fails is a finding here.

Memory: what is open, as in an actor. Charges that are closed are let go; for a refund its caller brings the two
entries that tell what the charge was before.

Pure: no input or output, no clock, no asyncio.
"""

import heapq
import traceback
from typing import Any, Final, TypeAlias

import msgspec

from actors.account import BALANCE_MAX, REQUESTS_PENDING_MAX, Account, apply, forget_closed, has_due
from actors.verification.findings import Finding
from actors.verification.shape import DecisionDetails, RefundDetails, details_of, misshapen
from journal.chain import entry_hash
from journal.entry import CHARGE_FOLLOWERS, REQUEST_FOLLOWERS, Entry, EntryType
from journal.money import format_minor, is_currency, parse
from journal.projections import ChargeRow, ChargeStatus, CreditRequestRow, OpenedCharge, Row, unwritten_charge
from journal.times import format_time, parse_time

_NOT_WHILE_SUSPENDED: Final = frozenset(
    {EntryType.CHARGE, EntryType.HOLD, EntryType.DECLINED, EntryType.CREDIT_REQUESTED}
)
_WITHOUT_RULES: Final = frozenset({EntryType.CHARGE, EntryType.ADJUSTMENT})
"""Nothing but the balances decides whether these are allowed, and balances are checked for every type."""
_NOT_STRUCK: Final = "it was declined with an atomic batch that had enough credit"

Before: TypeAlias = tuple[Entry | None, Entry | None]
"""The entry that opened a charge, and the last that continued it before some moment, if any did."""


class Replay:
    def __init__(self, seller_id: str) -> None:
        if not __debug__:
            raise RuntimeError("without assertions `apply` accepts anything: run Python without -O")
        self.account = Account(seller_id)
        self.position = 0
        self.touched: dict[tuple[type[Row], int], ChargeRow | CreditRequestRow] = {}
        """Rows as they are after the last entry; its reader takes them out."""
        self.charge_rows = 0
        """How many charges must have a row by now."""
        self.request_rows = 0
        self._aborted = 0
        """Sum of the charges directly ahead of an entry that were declined, at one time, with their atomic batch."""
        self._is_struck = False
        """Another of those directly ahead was declined for its own lack of credit: the one that struck the limit."""
        self._unfinished: str | None = None
        """The charge whose partial capture has voided the rest and has yet to capture."""

    def check(self, entry: Entry, position: int, before: Before | None = None) -> Finding | None:
        """Takes the next entry; a refund with what was before."""
        account = self.account
        seq = account.seq + 1
        if entry.seq == account.seq > 0:
            return self._finding(entry.seq, "there are several entries of this number")
        if entry.seq != seq:
            return self._finding(seq, f"is missing: the next entry that is there is {entry.seq}")
        # A batch is decided at one time.
        if (self._aborted or self._is_struck) and (
            entry.type is not EntryType.DECLINED or entry.at_us != account.at_us
        ):
            if not self._is_struck:
                return self._finding(account.seq, _NOT_STRUCK)
            self._aborted, self._is_struck = 0, False
        try:
            if entry_hash(entry) != entry.hash:
                reason: str | None = "the hash is not that of its content and of the entry before it"
            else:
                reason = self._broken_promise(entry, position) or self._broken_rule(entry, before)
        except (AssertionError, AttributeError, LookupError, TypeError, ValueError, msgspec.MsgspecError) as error:
            reason = _told(error)
        if reason is not None:
            return self._finding(seq, reason)
        self.position = position
        return None

    def end(self) -> Finding | None:
        """After the last entry: what must hold of the whole."""
        account = self.account
        if self._unfinished is not None:
            return self._finding(account.seq, "voids the rest of a partial capture that does not follow")
        if self._aborted and not self._is_struck:
            return self._finding(account.seq, _NOT_STRUCK)
        pending = [charge.row.amount for charge in account.charges.values()]
        if account.held != sum(pending):
            return self._finding(account.seq, f"held is {account.held}, but pending holds are {sum(pending)} together")
        return None

    def _finding(self, seq: int, reason: str) -> Finding:
        return Finding(self.account.seller_id, seq, reason)

    def _broken_promise(self, entry: Entry, position: int) -> str | None:
        """Of what holds for every entry."""
        account = self.account
        if entry.at_us < account.at_us:
            return "it is earlier than the entry before it"
        if position <= self.position:
            return f"its position {position} is not after {self.position}, that of the entry before it"
        if entry.available_after != account.available + entry.amount:
            return f"available_after is {entry.available_after}, not {account.available} plus {entry.amount}"
        if entry.held_after != account.held + entry.held_change:
            return f"held_after is {entry.held_after}, not {account.held} plus {entry.held_change}"
        if entry.held_after < 0:
            return "more is taken from held than is there"
        if entry.available_after + entry.credit_limit < 0:
            return "available credit passes its floor"
        if entry.available_after + entry.held_after + entry.credit_limit > BALANCE_MAX:
            return "the balance is larger than any may be"
        if entry.credit_limit != account.credit_limit and entry.type is not EntryType.LIMIT_CHANGED:
            return f"the credit limit is {entry.credit_limit}, not {account.credit_limit} as it was"
        if (entry.type is EntryType.OPENED) != (account.seq == 0):
            return "an account is opened by its first entry, and by no other"
        return misshapen(entry)

    def _broken_rule(self, entry: Entry, before: Before | None) -> str | None:
        """Of what depends on the state of the account; moves it on when there is nothing."""
        account = self.account
        type_ = entry.type
        if has_due(account, entry.at_us) and type_ is not EntryType.EXPIRY and self._has_overdue(entry.at_us):
            return "a hold had ended, and was not given back before it"
        if account.is_suspended and type_ in _NOT_WHILE_SUSPENDED:
            return "the seller is suspended"
        if self._unfinished is not None and (
            type_ is not EntryType.CAPTURE or entry.subject_id != self._unfinished or entry.at_us != account.at_us
        ):
            return "a partial capture was begun, and this is not its capture"
        if type_ in _WITHOUT_RULES:
            if entry.details is not None:
                details_of(entry)
            apply(account, entry)
            return None

        details = details_of(entry)
        reason = self._broken_rule_before(entry, details, before)
        if reason is not None:
            return reason
        row = apply(account, entry)
        if isinstance(row, ChargeRow | CreditRequestRow):
            reason = self._broken_rule_after(entry, details, row)
            if entry.subject_id is not None:
                forget_closed(account, entry.subject_id)
            self.touched[type(row), row.seq] = row
        return reason

    def _has_overdue(self, at_us: int) -> bool:
        """Whether a hold is pending whose time was over then; lets go of those that ended otherwise."""
        expiries, charges = self.account.expiries, self.account.charges
        while expiries and expiries[0][0] <= at_us:
            if expiries[0][1] in charges:
                return True
            heapq.heappop(expiries)
        return False

    def _broken_rule_before(self, entry: Entry, details: Any, before: Before | None) -> str | None:
        account = self.account
        subject_id = entry.subject_id
        match entry.type:
            case EntryType.OPENED:
                return None if is_currency(details.currency) else "its currency is none"
            case EntryType.DECLINED:
                amount = parse(details.amount, account.currency)
                if not amount:
                    return "its details tell no amount"
                # What an atomic batch had sold before it struck its limit was declined too, just ahead.
                self._aborted += amount
                if details.failure_code is None:
                    if self._aborted <= account.available + account.credit_limit:
                        return "it was declined although there was enough credit"
                    self._aborted, self._is_struck = 0, True
            case EntryType.HOLD:
                expires_at_us = parse_time(details.expires_at)
                if expires_at_us is None or expires_at_us <= entry.at_us:
                    return "the hold ends before it begins"
            case EntryType.REFUND:
                charge = None if before is None else _resumed(before, account.currency)
                if charge is None or charge.row.id != subject_id or charge.row.seq > account.seq:
                    return "it refunds a charge that is not there"
                account.charges[charge.row.id] = charge
            case type_ if type_ in CHARGE_FOLLOWERS:
                charge = account.charges.get(subject_id or "")
                if charge is None:
                    return "it continues a charge that is not pending"
                expires_at_us = charge.row.expires_at_us
                if type_ is EntryType.EXPIRY and (expires_at_us is None or entry.at_us < expires_at_us):
                    return "the hold expired before its time"
            case EntryType.CREDIT_REQUESTED:
                if not parse(details.amount, account.currency):
                    return "its details tell no amount"
                if len(account.requests) >= REQUESTS_PENDING_MAX:
                    return "more credit requests are pending than may be"
            case type_ if type_ in REQUEST_FOLLOWERS:
                if subject_id not in account.requests:
                    return "it decides a credit request that is not pending"
            case EntryType.SUSPENDED | EntryType.REINSTATED:
                if account.is_suspended is (entry.type is EntryType.SUSPENDED):
                    return "it changes nothing"
            case EntryType.LIMIT_CHANGED:
                if parse(details.credit_limit, account.currency) != entry.credit_limit:
                    return "its details tell another credit limit"
                if entry.credit_limit == account.credit_limit:
                    return "it changes nothing"
        return None

    def _broken_rule_after(self, entry: Entry, details: Any, row: ChargeRow | CreditRequestRow) -> str | None:
        currency = self.account.currency
        if isinstance(row, ChargeRow):
            self._unfinished = None
            if entry.type is EntryType.VOID and row.status is ChargeStatus.PENDING:
                self._unfinished = row.id
            is_first_refund = entry.type is EntryType.REFUND and row.refunded == entry.amount
            if entry.type is EntryType.HOLD or (is_first_refund and row.expires_at_us is None):
                self.charge_rows += 1
            if isinstance(details, RefundDetails) and (
                details.charge_amount != format_minor(row.amount, currency)
                or details.refunded_amount != format_minor(row.refunded, currency)
            ):
                return "its details tell other sums"
            return None
        if entry.type is EntryType.CREDIT_REQUESTED:
            self.request_rows += 1
        elif isinstance(details, DecisionDetails):
            told = [(approval.by, approval.at) for approval in details.approvals]
            if told != [(approval.by, format_time(approval.at_us)) for approval in row.approvals]:
                return "its details tell other approvals"
            if len({approval.by for approval in row.approvals}) < len(row.approvals):
                return "one admin approved twice"
            if entry.type is EntryType.CREDIT_ENDORSED and len(row.approvals) > 1:
                return "a second approval gives the credit"
        return None


def _resumed(before: Before, currency: str) -> OpenedCharge | None:
    """A charge that is not pending, as two entries tell it that were checked before."""
    opening, last = before
    if opening is None:
        return None
    if last is None:
        row = unwritten_charge(opening)
        return None if row is None else OpenedCharge(row, opening)
    expires_at_us = parse_time(details_of(opening).expires_at) if opening.type is EntryType.HOLD else None
    amount, refunded = abs(opening.amount), 0
    match last.type:
        case EntryType.CAPTURE:
            status, amount = ChargeStatus.COMPLETED, -last.held_change
        case EntryType.VOID:
            status = ChargeStatus.VOIDED
        case EntryType.EXPIRY:
            status = ChargeStatus.EXPIRED
        case _:
            sums = details_of(last)
            amount, refunded = parse(sums.charge_amount, currency) or 0, parse(sums.refunded_amount, currency) or 0
            status = ChargeStatus.REFUNDED if refunded == amount else ChargeStatus.PARTIALLY_REFUNDED
    row = ChargeRow(opening.seller_id, opening.seq, opening.id, status, amount, refunded, expires_at_us, last.seq)
    return OpenedCharge(row, opening)


def _told(error: Exception) -> str:
    """Which rule was broken, in the words of the code that holds it."""
    if isinstance(error, msgspec.MsgspecError | ValueError) and str(error):
        return f"it cannot be read: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"it breaks a rule: {frames[-1].line or type(error).__name__}"
