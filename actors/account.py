"""The rules of a seller's account. Everything that affects what may happen to an account lives in this file.

An account is a state machine over its journal. Two functions are the heart of it:

    decide(account, command, now_us, rules)   -> entries to write, or a refusal    reads the account, changes nothing
    apply(account, entry)                     -> the projection row that changed   alone changes what the account says

Live traffic and verification call the same `apply`, so an account is what its journal says. What holds:

    available + credit_limit >= 0, always: a sale or a debit that would pass that floor is declined or refused;
    held is the sum of the pending holds;
    seq counts 1, 2, 3 ... without a gap; time never goes backwards: at_us = max(now, the last entry's);
    a charge moves   (new) -> completed | pending | failed,   pending -> completed | voided | expired,
                     completed -> partially_refunded -> refunded;   nothing else, and nothing leaves failed;
    a credit request moves  pending -> approved | rejected | cancelled, once.

Time passes by `expire`: a hold whose time is over is given back by whoever looks at the account first, so
`decide` must not be called while `has_due(account, now_us)`. A command on a charge or a credit request that is
not pending any more needs it loaded into `account.charges` or `account.requests` first (see `missing`).

Pure: no input or output, no clock, no randomness, no asyncio. All amounts are minor units.
"""

import heapq
from typing import Final, TypeAlias, assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.commands import (
    SYSTEM_CALLER,
    AccountView,
    Adjust,
    Caller,
    Capture,
    ChangeAccount,
    Charge,
    ChargeMany,
    Command,
    DecideCredit,
    Open,
    Refund,
    Refusal,
    RefusalCode,
    RequestCredit,
    Settle,
    Void,
)
from journal.chain import seal
from journal.entry import CHARGE_FOLLOWERS, GENESIS_HASH, Entry, EntryType
from journal.money import format_minor, parse, parse_cut
from journal.projections import (
    AccountRow,
    Approval,
    ChargeRow,
    ChargeStatus,
    CreditRequestRow,
    CreditRequestStatus,
    OpenedCharge,
    OpenedRequest,
    Row,
)
from journal.store import Snapshot
from journal.times import format_time, parse_time

BALANCE_MAX: Final = 10**18
"""Available, held and the credit limit together never pass this many minor units, so that neither balance does."""
REQUESTS_PENDING_MAX: Final = 100
BATCH_ABORTED: Final = "batch_aborted"
"""The `failure_code` in the details of a charge that was declined because its atomic batch was."""

Decision: TypeAlias = tuple[Entry, ...] | Refusal


class Account:
    """One seller's state. Only `apply` changes what it says, and `load`, before it is in use. Charges and requests that
    are closed are kept, or not, as commands need them (`missing`, `forget_closed`)."""

    __slots__ = (
        "at_us",
        "available",
        "charges",
        "credit_limit",
        "currency",
        "expiries",
        "held",
        "is_suspended",
        "last_hash",
        "requests",
        "seller_id",
        "seq",
    )

    def __init__(self, seller_id: str) -> None:
        self.seller_id = seller_id
        self.currency = ""
        self.seq = 0
        self.at_us = 0
        self.available = 0
        self.held = 0
        self.credit_limit = 0
        self.is_suspended = False
        self.last_hash = GENESIS_HASH
        self.charges: dict[str, OpenedCharge] = {}
        """Every pending hold, and whatever else a command needed lately."""
        self.requests: dict[str, OpenedRequest] = {}
        """Every pending credit request, and whatever else a command needed lately."""
        self.expiries: list[tuple[int, str]] = []
        """Heap of (expires_at_us, charge id) of holds; those that ended otherwise are skipped when they surface."""

    def load(self, snapshot: Snapshot) -> None:
        """Takes over what the journal has: the cost does not depend on how long the history is."""
        row, last, holds = snapshot.account, snapshot.last, snapshot.holds
        assert self.seq == 0
        assert row.seller_id == last.seller_id == self.seller_id
        self.currency = row.currency
        self.is_suspended = row.is_suspended
        self.credit_limit = row.credit_limit
        self.seq, self.at_us, self.last_hash = last.seq, last.at_us, last.hash
        self.available, self.held = last.available_after, last.held_after
        self.charges = {hold.row.id: hold for hold in holds}
        self.requests = {request.row.id: request for request in snapshot.requests}
        self.expiries = [(hold.row.expires_at_us, hold.row.id) for hold in holds if hold.row.expires_at_us]
        heapq.heapify(self.expiries)
        assert self.held == sum(hold.row.amount for hold in holds)

    def view(self, seen_at_us: int = 0) -> AccountView:
        return AccountView(
            self.seller_id,
            self.currency,
            self.is_suspended,
            self.credit_limit,
            self.available,
            self.held,
            self.seq,
            self.at_us,
            seen_at_us if seen_at_us > self.at_us else self.at_us,
        )


class Rules(Struct, frozen=True):
    """What the operator may set about the rules."""

    second_admin_above: str | None = None
    """Money text, read in each seller's own currency: credit above it takes the approval of two admins. None: one admin
    is always enough."""

    def needs_second_admin(self, amount: int, currency: str) -> bool:
        if self.second_admin_above is None:
            return False
        limit = parse_cut(self.second_admin_above, currency)
        assert limit is not None
        return amount > limit


# --- time ---------------------------------------------------------------------------------------------------


def has_due(account: Account, now_us: int) -> bool:
    """Whether a hold may have expired; cheap, for every command asks."""
    return bool(account.expiries) and account.expiries[0][0] <= max(now_us, account.at_us)


def before_due(account: Account, now_us: int) -> int:
    """The last moment up to now at which no hold of the account had expired."""
    rows = [charge.row for charge in account.charges.values()]
    ends = [row.expires_at_us for row in rows if row.status is ChargeStatus.PENDING and row.expires_at_us is not None]
    return min([now_us, *(end - 1 for end in ends)])


def expire(account: Account, now_us: int) -> Entry | None:
    """The `expiry` entry of one hold whose time is over, to be applied before the next is asked for: the hold is taken
    off `account.expiries` here."""
    while has_due(account, now_us):
        _, charge_id = heapq.heappop(account.expiries)
        hold = account.charges.get(charge_id)
        if hold is not None and hold.row.status is ChargeStatus.PENDING:
            amount = hold.row.amount
            return _entry(
                account,
                EntryType.EXPIRY,
                now_us,
                SYSTEM_CALLER,
                amount=amount,
                held_change=-amount,
                subject_id=charge_id,
            )
    return None


# --- decide -------------------------------------------------------------------------------------------------


def missing(account: Account, command: Command) -> str | None:
    """The id of a charge or credit request that must be loaded before `command` can be decided."""
    match command:
        case Charge():  # Nearly all are one.
            return None
        case Capture() | Void() | Refund():
            return None if command.charge_id in account.charges else command.charge_id
        case DecideCredit():
            return None if command.request_id in account.requests else command.request_id
        case _:
            return None


def decide(account: Account, command: Command, now_us: int, rules: Rules) -> Decision:
    """What `command` writes, in order, or why it is refused. Each entry is built on the one before it."""
    match command:
        case Charge():
            return (charge(account, command, now_us),) if not account.is_suspended else SUSPENDED
        case ChargeMany():
            raise AssertionError("decided charge by charge, see actors.batches")
        case Capture():
            return _capture(account, command, now_us)
        case Void():
            return _void(account, command, now_us)
        case Refund():
            return _refund(account, command, now_us)
        case RequestCredit():
            return _request_credit(account, command, now_us)
        case DecideCredit():
            return _decide_credit(account, command, now_us, rules)
        case Adjust():
            return _adjust(account, command, now_us, rules)
        case ChangeAccount():
            return _change_account(account, command, now_us, rules)
        case Open():
            assert account.seq == 0
            return (_entry(account, EntryType.OPENED, now_us, command.caller, details={"currency": command.currency}),)
        case Settle():
            return ()
        case _:
            assert_never(command)


def charge(account: Account, command: Charge, now_us: int) -> Entry:
    """The sale, the hold, or the decline. Not for a suspended seller."""
    if command.amount > account.available + account.credit_limit:
        return decline(account, command, now_us)
    amount, expires_in_s = command.amount, command.expires_in_s
    details = _charge_details(command)
    type_, held_change = EntryType.CHARGE, 0
    if expires_in_s is not None:
        expires_at_us = max(now_us, account.at_us) + expires_in_s * 1_000_000
        details["expires_at"] = format_time(expires_at_us)
        type_, held_change = EntryType.HOLD, amount
    return _entry(
        account,
        type_,
        now_us,
        command.caller,
        amount=-amount,
        held_change=held_change,
        phone_number=command.phone_number,
        reference=command.reference,
        details=details,
    )


def decline(account: Account, command: Charge, now_us: int, *, is_aborted: bool = False) -> Entry:
    """For lack of credit; `is_aborted`: not its own lack, but that of the atomic batch that it came in."""
    details = _charge_details(command)
    details["amount"] = format_minor(command.amount, account.currency)
    if is_aborted:
        details["failure_code"] = BATCH_ABORTED
    return _entry(
        account,
        EntryType.DECLINED,
        now_us,
        command.caller,
        phone_number=command.phone_number,
        reference=command.reference,
        details=details,
    )


def _charge_details(command: Charge) -> dict[str, object]:
    return {} if command.metadata is None else {"metadata": msgspec.Raw(command.metadata.encode())}


def _capture(account: Account, command: Capture, now_us: int) -> Decision:
    charge = account.charges.get(command.charge_id)
    if charge is None:
        return _NO_CHARGE
    if charge.row.status is not ChargeStatus.PENDING:
        return _not_pending(charge)
    held = charge.row.amount
    captured = held if command.amount is None else command.amount
    if captured > held:
        return Refusal(RefusalCode.VALIDATION_FAILED, "More than the hold.", field="amount")

    rest = held - captured
    first = None
    if rest:
        # Without the key: the answer is the capture's, and a key stands on one entry only.
        caller = Caller(command.caller.made_by, command.caller.by_admin)
        first = _entry(
            account,
            EntryType.VOID,
            now_us,
            caller,
            amount=rest,
            held_change=-rest,
            subject_id=command.charge_id,
        )
    capture = _entry(
        account,
        EntryType.CAPTURE,
        now_us,
        command.caller,
        after=first,
        held_change=-captured,
        subject_id=command.charge_id,
    )
    return (capture,) if first is None else (first, capture)


def _void(account: Account, command: Void, now_us: int) -> Decision:
    charge = account.charges.get(command.charge_id)
    if charge is None:
        return _NO_CHARGE
    if charge.row.status is not ChargeStatus.PENDING:
        return _not_pending(charge)
    held = charge.row.amount
    return (
        _entry(
            account,
            EntryType.VOID,
            now_us,
            command.caller,
            amount=held,
            held_change=-held,
            subject_id=command.charge_id,
        ),
    )


def _refund(account: Account, command: Refund, now_us: int) -> Decision:
    charge = account.charges.get(command.charge_id)
    if charge is None:
        return _NO_CHARGE
    is_captured = charge.row.status in (ChargeStatus.COMPLETED, ChargeStatus.PARTIALLY_REFUNDED)
    left = charge.row.amount - charge.row.refunded if is_captured else 0
    amount = left if command.amount is None else command.amount
    if left == 0 or amount > left:
        detail = f"{format_minor(left, account.currency)} of the charge can be refunded."
        return Refusal(RefusalCode.REFUND_EXCEEDS_CHARGE, detail)
    if _would_overflow(account, amount):
        return _TOO_MUCH
    return (
        _entry(
            account,
            EntryType.REFUND,
            now_us,
            command.caller,
            amount=amount,
            subject_id=command.charge_id,
            reason=command.reason,
            details={
                "charge_amount": format_minor(charge.row.amount, account.currency),
                "refunded_amount": format_minor(charge.row.refunded + amount, account.currency),
            },
        ),
    )


def _request_credit(account: Account, command: RequestCredit, now_us: int) -> Decision:
    if account.is_suspended:
        return SUSPENDED
    pending = sum(request.row.status is CreditRequestStatus.PENDING for request in account.requests.values())
    if pending >= REQUESTS_PENDING_MAX:
        return Refusal(RefusalCode.TOO_MANY_PENDING, f"{pending} credit requests are pending.")
    details: dict[str, object] = {"amount": format_minor(command.amount, account.currency)}
    return (_entry(account, EntryType.CREDIT_REQUESTED, now_us, command.caller, reason=command.note, details=details),)


def _decide_credit(account: Account, command: DecideCredit, now_us: int, rules: Rules) -> Decision:
    request = account.requests.get(command.request_id)
    if request is None:
        return Refusal(RefusalCode.NOT_FOUND, "There is no such credit request.")
    row = request.row
    if row.status is not CreditRequestStatus.PENDING:
        return Refusal(RefusalCode.ALREADY_DECIDED, f"The credit request is {row.status}.")

    approvals = row.approvals
    amount = 0
    if command.decision == "reject":
        type_ = EntryType.CREDIT_REJECTED
    elif command.decision == "cancel":
        type_ = EntryType.CREDIT_CANCELLED
    else:
        made_by = command.caller.made_by
        assert made_by is not None
        if any(approval.by == made_by for approval in approvals):
            return Refusal(RefusalCode.SECOND_ADMIN_NEEDED, "A second admin has to approve this amount.")
        if _would_overflow(account, row.amount):
            return _TOO_MUCH
        approvals = (*approvals, Approval(made_by, max(now_us, account.at_us)))
        if len(approvals) < 2 and rules.needs_second_admin(row.amount, account.currency):
            type_ = EntryType.CREDIT_ENDORSED
        else:
            type_, amount = EntryType.CREDIT, row.amount
    details: dict[str, object] = {}
    if approvals:
        details["approvals"] = [{"by": each.by, "at": format_time(each.at_us)} for each in approvals]
    return (
        _entry(
            account,
            type_,
            now_us,
            command.caller,
            amount=amount,
            subject_id=command.request_id,
            reason=command.note,
            details=details,
        ),
    )


def _adjust(account: Account, command: Adjust, now_us: int, rules: Rules) -> Decision:
    amount = command.amount
    if command.direction == "debit":
        if amount > account.available + account.credit_limit:
            return Refusal(RefusalCode.INSUFFICIENT_CREDIT, "The debit passes the floor.", available=account.available)
        amount = -amount
    elif rules.needs_second_admin(amount, account.currency):
        return Refusal(RefusalCode.SECOND_ADMIN_NEEDED, "Credit above the limit takes a credit request and two admins.")
    elif _would_overflow(account, amount):
        return _TOO_MUCH
    return (_entry(account, EntryType.ADJUSTMENT, now_us, command.caller, amount=amount, reason=command.reason),)


def _change_account(account: Account, command: ChangeAccount, now_us: int, rules: Rules) -> Decision:
    limit = command.credit_limit
    if limit is not None and limit != account.credit_limit:
        if account.available + limit < 0:
            detail = f"{format_minor(-account.available, account.currency)} of credit is used."
            return Refusal(RefusalCode.LIMIT_IN_USE, detail)
        if limit > account.credit_limit and rules.needs_second_admin(limit, account.currency):
            return Refusal(RefusalCode.SECOND_ADMIN_NEEDED, "A credit limit above the limit for one admin.")
        if _would_overflow(account, limit - account.credit_limit):
            return Refusal(RefusalCode.VALIDATION_FAILED, "The limit would be too large.", field="credit_limit")

    entries: list[Entry] = []
    if command.is_suspended is not None and command.is_suspended != account.is_suspended:
        type_ = EntryType.SUSPENDED if command.is_suspended else EntryType.REINSTATED
        entries.append(_entry(account, type_, now_us, command.caller))
    if limit is not None and limit != account.credit_limit:
        details: dict[str, object] = {"credit_limit": format_minor(limit, account.currency)}
        after = entries[0] if entries else None
        entries.append(
            _entry(
                account,
                EntryType.LIMIT_CHANGED,
                now_us,
                command.caller,
                after=after,
                details=details,
                credit_limit=limit,
            )
        )
    return tuple(entries)


SUSPENDED: Final = Refusal(RefusalCode.SELLER_SUSPENDED, "The seller is suspended.")
_NO_CHARGE: Final = Refusal(RefusalCode.NOT_FOUND, "There is no such charge.")
_TOO_MUCH: Final = Refusal(RefusalCode.VALIDATION_FAILED, "The balance would be too large.", field="amount")


def _would_overflow(account: Account, amount: int) -> bool:
    """Held amounts may come back, and all credit may be held: nothing may stand in the way of either."""
    return account.available + account.held + account.credit_limit + amount > BALANCE_MAX


def _not_pending(charge: OpenedCharge) -> Refusal:
    return Refusal(RefusalCode.NOT_PENDING, f"The charge is {charge.row.status}.")


def _entry(
    account: Account,
    type_: EntryType,
    now_us: int,
    caller: Caller,
    *,
    after: Entry | None = None,
    amount: int = 0,
    held_change: int = 0,
    subject_id: str | None = None,
    phone_number: str | None = None,
    reference: str | None = None,
    reason: str | None = None,
    details: dict[str, object] | None = None,
    credit_limit: int | None = None,
) -> Entry:
    """The account's next entry, or the one after `after`. Past the refusals: from here it must succeed."""
    if after is None:
        seq, at_us, previous_hash = account.seq, account.at_us, account.last_hash
        available, held, limit = account.available, account.held, account.credit_limit
    else:
        seq, at_us, previous_hash = after.seq, after.at_us, after.hash
        available, held, limit = after.available_after, after.held_after, after.credit_limit
    return seal(
        Entry(
            seller_id=account.seller_id,
            seq=seq + 1,
            at_us=now_us if now_us > at_us else at_us,
            type=type_,
            amount=amount,
            held_change=held_change,
            available_after=available + amount,
            held_after=held + held_change,
            credit_limit=limit if credit_limit is None else credit_limit,
            made_by=caller.made_by,
            by_admin=caller.by_admin,
            subject_id=subject_id,
            idempotency_key=caller.idempotency_key,
            request_hash=caller.request_hash,
            phone_number=phone_number,
            reference=reference,
            reason=reason,
            details=msgspec.json.encode(details).decode() if details else None,
            previous_hash=previous_hash,
        )
    )


# --- apply --------------------------------------------------------------------------------------------------


def apply(account: Account, entry: Entry) -> Row | None:
    """Moves the account to the state after `entry`. Asserts what the rules promise: a failure is our own bug."""
    assert entry.seller_id == account.seller_id
    assert entry.seq == account.seq + 1
    assert entry.at_us >= account.at_us
    assert entry.previous_hash == account.last_hash
    assert entry.available_after == account.available + entry.amount
    assert entry.held_after == account.held + entry.held_change >= 0
    assert entry.available_after + entry.credit_limit >= 0
    account.seq = entry.seq
    account.at_us = entry.at_us
    account.last_hash = entry.hash
    account.available = entry.available_after
    account.held = entry.held_after

    type_ = entry.type
    if type_ is EntryType.CHARGE or type_ is EntryType.DECLINED or type_ is EntryType.ADJUSTMENT:
        return None
    if type_ is EntryType.HOLD:
        return _apply_hold(account, entry)
    if type_ in CHARGE_FOLLOWERS:
        return _apply_to_charge(account, entry)
    if type_ is EntryType.CREDIT_REQUESTED:
        return _apply_request(account, entry)
    if entry.subject_id is not None:
        return _apply_to_request(account, entry)
    match type_:
        case EntryType.OPENED:
            account.currency = _detail(entry, "currency")
        case EntryType.SUSPENDED:
            account.is_suspended = True
        case EntryType.REINSTATED:
            account.is_suspended = False
        case EntryType.LIMIT_CHANGED:
            account.credit_limit = entry.credit_limit
        case _:
            raise AssertionError(type_)
    return AccountRow(account.seller_id, account.currency, account.is_suspended, account.credit_limit)


def _apply_hold(account: Account, entry: Entry) -> Row:
    expires_at_us = parse_time(_detail(entry, "expires_at"))
    assert expires_at_us is not None
    charge_id = entry.id
    row = ChargeRow(
        seller_id=entry.seller_id,
        seq=entry.seq,
        id=charge_id,
        status=ChargeStatus.PENDING,
        amount=entry.held_change,
        refunded=0,
        expires_at_us=expires_at_us,
        last_seq=entry.seq,
    )
    account.charges[charge_id] = OpenedCharge(row, entry)
    heapq.heappush(account.expiries, (expires_at_us, charge_id))
    return row


def _apply_to_charge(account: Account, entry: Entry) -> Row:
    assert entry.subject_id is not None
    charge = account.charges[entry.subject_id]
    row = charge.row
    amount, refunded, status = row.amount, row.refunded, row.status
    match entry.type:
        case EntryType.CAPTURE:
            assert status is ChargeStatus.PENDING
            assert amount == -entry.held_change
            status = ChargeStatus.COMPLETED
        case EntryType.VOID:
            assert status is ChargeStatus.PENDING
            assert 0 < entry.amount <= amount
            if entry.amount == amount:
                status = ChargeStatus.VOIDED
            else:
                # The rest of a partial capture, which follows as the next entry of the same flush.
                amount -= entry.amount
        case EntryType.EXPIRY:
            assert status is ChargeStatus.PENDING
            assert entry.amount == amount
            status = ChargeStatus.EXPIRED
        case _:
            assert entry.type is EntryType.REFUND
            assert status in (ChargeStatus.COMPLETED, ChargeStatus.PARTIALLY_REFUNDED)
            refunded += entry.amount
            assert 0 < refunded <= amount
            status = ChargeStatus.REFUNDED if refunded == amount else ChargeStatus.PARTIALLY_REFUNDED
    row = replace(row, status=status, amount=amount, refunded=refunded, last_seq=entry.seq)
    account.charges[entry.subject_id] = OpenedCharge(row, charge.opening)
    return row


def _apply_request(account: Account, entry: Entry) -> Row:
    amount = parse(_detail(entry, "amount"), account.currency)
    assert amount is not None
    row = CreditRequestRow(
        seller_id=entry.seller_id,
        seq=entry.seq,
        id=entry.id,
        status=CreditRequestStatus.PENDING,
        amount=amount,
        note=entry.reason,
        requested_at_us=entry.at_us,
        last_seq=entry.seq,
    )
    account.requests[row.id] = OpenedRequest(row, entry)
    return row


_REQUEST_STATUS: Final = {
    EntryType.CREDIT: CreditRequestStatus.APPROVED,
    EntryType.CREDIT_REJECTED: CreditRequestStatus.REJECTED,
    EntryType.CREDIT_CANCELLED: CreditRequestStatus.CANCELLED,
    EntryType.CREDIT_ENDORSED: CreditRequestStatus.PENDING,
}


def _apply_to_request(account: Account, entry: Entry) -> Row:
    assert entry.subject_id is not None
    request = account.requests[entry.subject_id]
    row = request.row
    assert row.status is CreditRequestStatus.PENDING
    status = _REQUEST_STATUS[entry.type]
    if entry.type in (EntryType.CREDIT, EntryType.CREDIT_ENDORSED):
        assert entry.made_by is not None
        row = replace(row, approvals=(*row.approvals, Approval(entry.made_by, entry.at_us)))
    if status is not CreditRequestStatus.PENDING:
        assert entry.amount == (row.amount if entry.type is EntryType.CREDIT else 0)
        row = replace(row, decision_note=entry.reason, decided_by=entry.made_by, decided_at_us=entry.at_us)
    row = replace(row, status=status, last_seq=entry.seq)
    account.requests[entry.subject_id] = OpenedRequest(row, request.opening)
    return row


def forget_closed(account: Account, subject_id: str) -> None:
    """Lets go of a charge or request that is not pending, so that an account holds only what is open."""
    charge = account.charges.get(subject_id)
    if charge is not None and charge.row.status is not ChargeStatus.PENDING:
        del account.charges[subject_id]
    request = account.requests.get(subject_id)
    if request is not None and request.row.status is not CreditRequestStatus.PENDING:
        del account.requests[subject_id]


def _detail(entry: Entry, name: str) -> str:
    assert entry.details is not None
    value = msgspec.json.decode(entry.details)[name]
    assert isinstance(value, str)
    return value
