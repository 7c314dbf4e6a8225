"""Objects of the contract (`/swagger.json`), made from what the journal holds.

What a command answers is a function of its `Done` alone, so that a replay, also one that was rebuilt from the
journal years later, repeats the first body to the byte. Therefore nothing here may read a clock, a setting,
or the present state of an account; and a charge, or a credit request, is described by two entries: the one
that opened it and the one that spoke of it last.

Pure. Amounts come in as minor units and leave as text with the currency's decimals.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct

from actors.commands import AccountView, Done, RefusalCode
from journal.chain import SYSTEM, details_text
from journal.entry import CHARGE_OPENERS, Entry, EntryType, flow_of
from journal.money import format_minor
from journal.projections import ChargeStatus, CreditRequestStatus
from journal.reader import Total
from journal.times import format_time
from service.wire import answers as wire

NO_METADATA: Final = Raw(b"{}")


class _ChargeDetails(Struct):
    """What the details of an entry that opens a charge may hold."""

    amount: str = ""
    """Of a declined charge, whose entry moves nothing."""
    metadata: Raw = NO_METADATA
    expires_at: str | None = None
    failure_code: str = RefusalCode.INSUFFICIENT_CREDIT.value
    """Of a declined charge: its own lack of credit, unless its atomic batch was aborted."""


class _RefundDetails(Struct):
    charge_amount: str
    refunded_amount: str


class _RequestDetails(Struct):
    amount: str


class _DecisionDetails(Struct):
    approvals: list[wire.Approval] = []


_charge_details: Final = msgspec.json.Decoder(_ChargeDetails)
_refund_details: Final = msgspec.json.Decoder(_RefundDetails)
_request_details: Final = msgspec.json.Decoder(_RequestDetails)
_decision_details: Final = msgspec.json.Decoder(_DecisionDetails)


# --- charges ----------------------------------------------------------------------------------------------


def charge(done: Done) -> wire.Charge:
    """Of any command on a charge."""
    return charge_as_of(done.opening or done.entry, done.entry, done.currency)


def charge_as_of(opening: Entry, last: Entry, currency: str) -> wire.Charge:
    """The charge that `opening` opened, as it is after `last`, which may be the same entry.

    A partial capture's `void` of the rest is never a charge's last entry: its `capture` follows at once.
    """
    details = None if opening.details is None else _charge_details.decode(opening.details)
    refunded = format_minor(0, currency)
    match last.type:
        case EntryType.CHARGE:
            status, amount = ChargeStatus.COMPLETED, format_minor(-last.amount, currency)
        case EntryType.HOLD:
            status, amount = ChargeStatus.PENDING, format_minor(last.held_change, currency)
        case EntryType.DECLINED:
            assert details is not None
            status, amount = ChargeStatus.FAILED, details.amount
        case EntryType.CAPTURE:
            status, amount = ChargeStatus.COMPLETED, format_minor(-last.held_change, currency)
        case EntryType.VOID:
            status, amount = ChargeStatus.VOIDED, format_minor(last.amount, currency)
        case EntryType.EXPIRY:
            status, amount = ChargeStatus.EXPIRED, format_minor(last.amount, currency)
        case _:
            assert last.type is EntryType.REFUND
            assert last.details is not None
            sums = _refund_details.decode(last.details)
            amount, refunded = sums.charge_amount, sums.refunded_amount
            status = ChargeStatus.REFUNDED if refunded == amount else ChargeStatus.PARTIALLY_REFUNDED
    assert opening.phone_number is not None
    return wire.Charge(
        opening.id,
        opening.seller_id,
        opening.phone_number,
        amount,
        currency,
        status,
        refunded,
        opening.reference,
        NO_METADATA if details is None else details.metadata,
        failure_code(last) if status is ChargeStatus.FAILED else None,
        None if details is None else details.expires_at,
        last.seq,
        last.hash.hex(),
        balances(last.available_after, last.held_after, currency),
        format_time(opening.at_us),
    )


def balances(available: int, held: int, currency: str) -> wire.Balances:
    return wire.Balances(format_minor(available, currency), format_minor(held, currency))


def failure_code(declined: Entry) -> str:
    """Why the charge was declined."""
    assert declined.details is not None
    return _charge_details.decode(declined.details).failure_code


# --- credit requests --------------------------------------------------------------------------------------

_STATUS_AFTER: Final = {
    EntryType.CREDIT_REQUESTED: CreditRequestStatus.PENDING,
    EntryType.CREDIT_ENDORSED: CreditRequestStatus.PENDING,
    EntryType.CREDIT: CreditRequestStatus.APPROVED,
    EntryType.CREDIT_REJECTED: CreditRequestStatus.REJECTED,
    EntryType.CREDIT_CANCELLED: CreditRequestStatus.CANCELLED,
}


def credit_request(done: Done) -> wire.CreditRequest:
    """Of any command on a credit request."""
    return credit_request_as_of(done.opening or done.entry, done.entry, done.currency)


def credit_request_as_of(opening: Entry, last: Entry, currency: str) -> wire.CreditRequest:
    """The request that `opening` opened, as it is after `last`, which may be the same entry."""
    assert opening.type is EntryType.CREDIT_REQUESTED
    assert opening.details is not None
    status = _STATUS_AFTER[last.type]
    is_decided = status is not CreditRequestStatus.PENDING
    return wire.CreditRequest(
        id=opening.id,
        seller_id=opening.seller_id,
        amount=_request_details.decode(opening.details).amount,
        currency=currency,
        status=status,
        note=opening.reason,
        approvals=[] if last.details is None else _decision_details.decode(last.details).approvals,
        decision_note=last.reason if is_decided else None,
        decided_by=last.made_by if is_decided else None,
        decided_at=format_time(last.at_us) if is_decided else None,
        created_at=format_time(opening.at_us),
    )


# --- the journal ------------------------------------------------------------------------------------------


def transaction(entry: Entry, position: int, currency: str) -> wire.Transaction:
    """`details` is the very text that the entry's hash covers. Every entry that somebody follows comes through here,
    3 us each: so its id is made once, and members are given by their order, which is the contract's."""
    flow = flow_of(entry)
    type_, entry_id = entry.type, entry.id
    charge_id = entry_id if type_ in CHARGE_OPENERS else entry.charge_id
    return wire.Transaction(
        entry_id,
        entry.seller_id,
        entry.seq,
        position,
        type_,
        format_minor(entry.amount, currency),
        format_minor(entry.held_change, currency),
        currency,
        None if flow is None else flow[0],
        None if flow is None else flow[1],
        format_minor(entry.available_after, currency),
        format_minor(entry.held_after, currency),
        charge_id,
        entry.credit_request_id if charge_id is None else None,
        entry.made_by or SYSTEM,
        entry.reason,
        Raw(details_text(entry).encode()),
        entry.previous_hash.hex(),
        entry.hash.hex(),
        format_time(entry.at_us),
    )


def totals(found: Mapping[EntryType, Total], currency: str) -> dict[str, wire.Total]:
    return {type_.value: wire.Total(each.count, format_minor(each.amount, currency)) for type_, each in found.items()}


def balance(view: AccountView) -> wire.Balance:
    """The present balance, as of the moment at which the actor looked, not of the one at which it is answered."""
    currency = view.currency
    return wire.Balance(
        seller_id=view.seller_id,
        currency=currency,
        available=format_minor(view.available, currency),
        held=format_minor(view.held, currency),
        credit_limit=format_minor(view.credit_limit, currency),
        seq=view.seq,
        as_of=format_time(view.seen_at_us),
    )


def balance_after(entry: Entry, currency: str, as_of_us: int) -> wire.Balance:
    """A former balance: `entry` was the last one at that time."""
    return wire.Balance(
        seller_id=entry.seller_id,
        currency=currency,
        available=format_minor(entry.available_after, currency),
        held=format_minor(entry.held_after, currency),
        credit_limit=format_minor(entry.credit_limit, currency),
        seq=entry.seq,
        as_of=format_time(as_of_us),
    )
