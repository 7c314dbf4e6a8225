"""What an account must be, written a second time and apart from the service's own rules.

A `State` is everything that a seller's journal says up to one entry. `after` steps over the next entry and raises
`Broken` where it breaks a rule. It is the oracle, so it takes nothing from `actors`: a planted bug there must not
reach the judge. Statuses are plain words, amounts minor units of a currency with two decimals.
"""

import json
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from journal.entry import GENESIS_HASH, Entry, EntryType
from journal.times import parse_time

BALANCE_MAX: Final = 10**18


class Broken(Exception):
    """An entry that breaks a rule."""


class ChargeState(Struct, frozen=True):
    opened_seq: int
    status: str
    amount: int
    refunded: int
    expires_at_us: int | None
    last_seq: int


class RequestState(Struct, frozen=True):
    opened_seq: int
    status: str
    amount: int
    approved_by: tuple[str, ...]
    last_seq: int


class State(Struct, frozen=True):
    seq: int = 0
    at_us: int = 0
    hash: bytes = GENESIS_HASH
    currency: str = ""
    available: int = 0
    held: int = 0
    limit: int = 0
    is_suspended: bool = False
    charges: dict[str, ChargeState] = {}
    requests: dict[str, RequestState] = {}
    keys: dict[tuple[bool, str], Entry] = {}
    captured_in_part: str | None = None
    """The charge whose hold was given back in part by the last entry: the next one must be its capture."""

    def pending(self) -> int:
        return sum(request.status == "pending" for request in self.requests.values())


class Limits(Struct, frozen=True):
    requests_pending_max: int
    second_admin_above: int | None
    sold_before: dict[str, int] = {}
    """Of a charge in an atomic batch, by its tag: the sum of the charges before it, which is not sold alone."""

    def needs_two(self, amount: int) -> bool:
        return self.second_admin_above is not None and amount > self.second_admin_above


def minor(text: str) -> int:
    return int(text.replace(".", ""))


def details_of(entry: Entry) -> dict[str, str]:
    details: dict[str, str] = msgspec.json.decode(entry.details) if entry.details else {}
    return details


# type: (sign of amount, sign of held_change), None where either sign will do but zero
_FORMS: Final[dict[EntryType, tuple[int | None, int]]] = {
    EntryType.CREDIT: (1, 0),
    EntryType.ADJUSTMENT: (None, 0),
    EntryType.CHARGE: (-1, 0),
    EntryType.HOLD: (-1, 1),
    EntryType.CAPTURE: (0, -1),
    EntryType.VOID: (1, -1),
    EntryType.EXPIRY: (1, -1),
    EntryType.REFUND: (1, 0),
}


def after(state: State, entry: Entry, limits: Limits) -> State:
    """The state after `entry`, or `Broken`."""
    _check_books(state, entry)
    charges, requests, keys = state.charges, state.requests, state.keys
    if entry.idempotency_key is not None:
        key = (entry.by_admin, entry.idempotency_key)
        _require(key not in keys, "the key was used before")
        keys = {**keys, key: entry}

    type_ = entry.type
    currency, is_suspended, part = state.currency, state.is_suspended, None
    is_partly_captured = type_ is EntryType.CAPTURE and entry.subject_id == state.captured_in_part
    _require(state.captured_in_part is None or is_partly_captured, "the rest of a partial capture without its capture")
    if type_ is not EntryType.EXPIRY:
        _require(
            all(c.status != "pending" or (c.expires_at_us or 0) > entry.at_us for c in charges.values()),
            "a hold is over and was not given back first",
        )
    match type_:
        case EntryType.OPENED:
            _require(entry.seq == 1, "opened twice")
            currency = details_of(entry)["currency"]
        case EntryType.CHARGE | EntryType.HOLD | EntryType.DECLINED:
            _require(not state.is_suspended, "a sale of a suspended seller")
            charges = {**charges, entry.id: _opened(state, entry, limits)}
        case EntryType.CAPTURE | EntryType.VOID | EntryType.EXPIRY | EntryType.REFUND:
            assert entry.subject_id is not None
            _require(entry.subject_id in charges, "continues no charge")
            charge = _continued(charges[entry.subject_id], entry)
            charges = {**charges, entry.subject_id: charge}
            part = entry.subject_id if type_ is EntryType.VOID and charge.status == "pending" else None
        case EntryType.CREDIT_REQUESTED:
            _require(not state.is_suspended, "a credit request of a suspended seller")
            _require(state.pending() < limits.requests_pending_max, "too many pending credit requests")
            amount = minor(details_of(entry)["amount"])
            requests = {**requests, entry.id: RequestState(entry.seq, "pending", amount, (), entry.seq)}
        case EntryType.CREDIT | EntryType.CREDIT_ENDORSED | EntryType.CREDIT_REJECTED | EntryType.CREDIT_CANCELLED:
            assert entry.subject_id is not None
            _require(entry.subject_id in requests, "continues no credit request")
            requests = {**requests, entry.subject_id: _decided(requests[entry.subject_id], entry, limits)}
        case EntryType.ADJUSTMENT:
            _require(entry.amount < 0 or not limits.needs_two(entry.amount), "credit by one admin alone")
        case EntryType.SUSPENDED | EntryType.REINSTATED:
            is_suspended = type_ is EntryType.SUSPENDED
            _require(is_suspended != state.is_suspended, "suspended or reinstated twice")
        case EntryType.LIMIT_CHANGED:
            _require(entry.credit_limit == minor(details_of(entry)["credit_limit"]), "another limit than it says")
            is_raised = entry.credit_limit > state.limit
            _require(not is_raised or not limits.needs_two(entry.credit_limit), "a limit by one admin alone")
    return State(
        entry.seq,
        entry.at_us,
        entry.hash,
        currency,
        entry.available_after,
        entry.held_after,
        entry.credit_limit,
        is_suspended,
        charges,
        requests,
        keys,
        part,
    )


def receipt(entry: Entry) -> bytes:
    """The hash as an auditor computes it, from the description in journal/chain.py alone."""
    own = entry.type in ("charge", "hold", "declined")
    continued = entry.type in ("capture", "void", "expiry", "refund")
    requested = entry.type == "credit_requested"
    details: dict[str, object] = {}
    if entry.phone_number is not None:
        details["phone_number"] = entry.phone_number
    if entry.reference is not None:
        details["reference"] = entry.reference
    details |= details_of(entry)
    if entry.idempotency_key is not None and entry.request_hash is not None:
        details["idempotency_key"] = entry.idempotency_key
        details["request_hash"] = entry.request_hash.hex()
    preimage = [
        "charge-shop/1",
        entry.seller_id,
        entry.seq,
        str(entry.type),
        entry.amount,
        entry.held_change,
        entry.available_after,
        entry.held_after,
        entry.id if own else entry.subject_id if continued else None,
        entry.id if requested else None if continued else entry.subject_id,
        entry.made_by or "system",
        entry.reason,
        details,
        entry.at_us,
        entry.previous_hash.hex(),
    ]
    return sha256(json.dumps(preimage, separators=(",", ":"), ensure_ascii=False).encode()).digest()


def _check_books(state: State, entry: Entry) -> None:
    """Order, chain and arithmetic."""
    _require(entry.seq == state.seq + 1, f"seq {entry.seq} after {state.seq}")
    _require(entry.at_us >= state.at_us, "time goes backwards")
    _require(entry.previous_hash == state.hash, "the chain is broken")
    _require(entry.hash == receipt(entry), "the hash is not that of the content")
    _require(entry.available_after == state.available + entry.amount, "available does not add up")
    _require(entry.held_after == state.held + entry.held_change, "held does not add up")
    _require(entry.available_after + entry.credit_limit >= 0, "the floor is passed")
    _require(entry.held_after >= 0, "less than nothing is held")
    # Held, available and limit together: what is held may come back at any time, and the limit may be spent.
    _require(entry.available_after + entry.held_after + entry.credit_limit <= BALANCE_MAX, "a balance out of range")
    is_change = entry.type is EntryType.LIMIT_CHANGED
    _require(is_change or entry.credit_limit == state.limit, "the limit changed by itself")
    amount_sign, held_sign = _FORMS.get(entry.type, (0, 0))
    _require(_sign(entry.held_change) == held_sign, "a form that its type does not have")
    _require(
        entry.amount != 0 if amount_sign is None else _sign(entry.amount) == amount_sign,
        "a form that its type does not have",
    )
    _require(not (entry.amount and entry.held_change) or entry.amount == -entry.held_change, "two amounts at once")


def _opened(state: State, entry: Entry, limits: Limits) -> ChargeState:
    if entry.type is EntryType.CHARGE:
        return ChargeState(entry.seq, "completed", -entry.amount, 0, None, entry.seq)
    if entry.type is EntryType.DECLINED:
        details = details_of(entry)
        wanted = minor(details["amount"]) + limits.sold_before.get(entry.made_by or "", 0)
        is_aborted = "failure_code" in details
        _require(is_aborted or wanted > state.available + state.limit, "declined though credit sufficed")
        return ChargeState(entry.seq, "failed", 0, 0, None, entry.seq)
    expires_at_us = parse_time(details_of(entry)["expires_at"])
    return ChargeState(entry.seq, "pending", entry.held_change, 0, expires_at_us, entry.seq)


def _continued(charge: ChargeState, entry: Entry) -> ChargeState:
    if entry.type is EntryType.REFUND:
        _require(charge.status in ("completed", "partially_refunded"), "a refund of what was not sold")
        refunded = charge.refunded + entry.amount
        _require(refunded <= charge.amount, "refunded more than was sold")
        status = "refunded" if refunded == charge.amount else "partially_refunded"
        return replace(charge, status=status, refunded=refunded, last_seq=entry.seq)
    _require(charge.status == "pending", f"the charge is {charge.status}")
    amount, status = charge.amount, "pending"
    if entry.type is EntryType.CAPTURE:
        _require(-entry.held_change == charge.amount, "captured another amount than is held")
        status = "completed"
    elif entry.type is EntryType.EXPIRY:
        _require(entry.amount == charge.amount, "expired another amount than is held")
        _require(entry.at_us >= (charge.expires_at_us or 0), "expired too early")
        _require(entry.made_by is None, "an expiry that somebody made")
        status = "expired"
    elif entry.amount == charge.amount:
        status = "voided"
    else:
        _require(entry.amount < charge.amount, "voided more than is held")
        amount -= entry.amount
    return replace(charge, status=status, amount=amount, last_seq=entry.seq)


def _decided(request: RequestState, entry: Entry, limits: Limits) -> RequestState:
    _require(request.status == "pending", f"the credit request is {request.status}")
    approved_by, status = request.approved_by, "pending"
    if entry.type in (EntryType.CREDIT, EntryType.CREDIT_ENDORSED):
        assert entry.made_by is not None
        _require(entry.made_by not in approved_by, "approved twice by the same admin")
        approved_by = (*approved_by, entry.made_by)
        is_enough = len(approved_by) >= (2 if limits.needs_two(request.amount) else 1)
        _require(is_enough == (entry.type is EntryType.CREDIT), "the wrong number of approvals")
        _require(entry.amount == (request.amount if is_enough else 0), "another amount than was requested")
        status = "approved" if is_enough else "pending"
    else:
        status = "rejected" if entry.type is EntryType.CREDIT_REJECTED else "cancelled"
    return replace(request, status=status, approved_by=approved_by, last_seq=entry.seq)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _require(is_kept: bool, rule: str) -> None:
    if not is_kept:
        raise Broken(rule)
