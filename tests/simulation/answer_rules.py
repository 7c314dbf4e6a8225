"""What must be true of every answer, against the journal: rules 2 to 5 of the exact checker.

Steps order everything: an attempt is asked and answered at a step, an entry is committed at a step. The rules:

* done: exactly this entry is in the journal, was committed before the answer, and says what the command asked
  for;
* every answer to an operation is the same entry, and at most one of them is not a replay;
* not done, or refused: nothing of it is in the journal, unless another attempt of the same operation wrote it;
* real time: what is done comes after everything that anybody had been told before it was first asked;
* a read, and a refusal, is true of the account at some seq that was durable when it was shown, and not older
  than anything that anybody had been told before it was asked;
* a hold whose time was over when a read was asked is not in it, unless the journal is frozen: then the read tells of
  the moment before.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

import msgspec

from actors.actor import UnknownSeller
from actors.commands import (
    AccountView,
    Adjust,
    Capture,
    ChangeAccount,
    Charge,
    Command,
    DecideCredit,
    Done,
    Refund,
    Refusal,
    RefusalCode,
    RequestCredit,
    Settle,
    Void,
)
from journal.entry import Entry
from journal.memory import MemoryDatabase
from journal.store import JournalUnavailable, NotApplied
from tests.simulation.journal_rules import Violation
from tests.simulation.model import BALANCE_MAX, Limits, State, details_of, minor
from tests.simulation.operations import Attempt, History, Operation, tag_of
from tests.simulation.workload import CURRENCY


class AnswerRules:
    def __init__(
        self,
        database: MemoryDatabase,
        history: History,
        states: dict[str, list[State]],
        limits: Limits,
        jumped_back_steps: dict[str, list[int]],
    ) -> None:
        self._database = database
        self._history = history
        self._states = states
        self._limits = limits
        self._jumped_back_steps = jumped_back_steps
        self._by_tag: dict[str, list[Entry]] = {}
        self._by_id: dict[str, Entry] = {}
        self._written_steps: dict[str, list[int]] = {}
        """Per seller, by seq - 1: the step at which it was committed."""
        for written in history.written:
            for entry in written.entries:
                self._written_steps.setdefault(entry.seller_id, []).append(written.step)
                self._by_id[entry.id] = entry
                tag = tag_of(entry)
                if tag is not None:
                    self._by_tag.setdefault(tag, []).append(entry)

    def check(self) -> None:
        # A batch is checked charge by charge here, and as a whole in `batch_rules`.
        asked = {operation.tag for operation in self._history.operations}
        if not self._by_tag.keys() <= asked:
            raise Violation(0, f"nobody asked for {self._by_tag.keys() - asked}")
        poisoned = {operation.seller_id for operation in self._history.operations if operation.is_poison}
        for operation in self._history.operations:
            self._check_operation(operation, poisoned)

    # --- one operation ---

    def _check_operation(self, operation: Operation, poisoned: set[str]) -> None:
        entries = self._by_tag.get(operation.tag, [])
        attempts = operation.attempts
        if entries:
            self._check_written(operation, entries)
        answers = [attempt for attempt in attempts if attempt.verdict == "done"]
        for attempt in attempts:
            match attempt.answer:
                case Done() as done:
                    self._check_done(attempt, done, entries)
                case AccountView() as view:
                    self._check_view(attempt, view)
                case Refusal() as refusal if not operation.parts:
                    self._check_refusal(attempt, refusal, entries)
                case NotApplied(args=("poison",)):
                    self._require(attempt, operation.seller_id in poisoned, "failed by another seller's bad value")
                case NotApplied() | JournalUnavailable():
                    self._check_not_applied(attempt)
                case UnknownSeller():
                    self._require(attempt, operation.seller_id not in self._written_steps, "the seller is known")
                case None:
                    raise Violation(attempt.asked_step, f"#{operation.number} was never answered")
                case _:
                    pass
        firsts = [each for each in answers if isinstance(each.answer, Done) and not each.answer.is_replay]
        if len(firsts) > 1:
            raise Violation(firsts[1].answered_step, f"#{operation.number} was done twice")

    def _check_written(self, operation: Operation, entries: list[Entry]) -> None:
        """Somebody asked for it before it was written, and was not told that it had not happened."""
        first = entries[0]
        step = self._written_step(first)
        writers = [each for each in operation.attempts if each.asked_step < step]
        answers = ", ".join(f"{each.verdict} ({each.answer!r:.80})" for each in operation.attempts)
        if not any(each.verdict in ("done", "unknown") for each in writers):
            raise Violation(step, f"#{operation.number} is in the journal, its attempts before that were: {answers}")
        is_one = len({self._written_step(entry) for entry in entries}) == 1
        positions = [self._position(entry) for entry in entries]
        if not is_one or positions != list(range(positions[0], positions[0] + len(positions))):
            raise Violation(step, f"#{operation.number} was not written as a whole")
        key = operation.command.caller.idempotency_key
        if key is not None and sum(entry.idempotency_key == key for entry in entries) != 1:
            raise Violation(step, f"#{operation.number} has its key on none or on several entries")
        expected = _faults_of(operation.command, entries)
        if expected is not None:
            raise Violation(step, f"#{operation.number}: {expected}")
        seen_seq = min(each.seen_seq for each in writers if each.verdict in ("done", "unknown"))
        if first.seq <= seen_seq:
            raise Violation(step, f"#{operation.number} is seq {first.seq}, but {seen_seq} was known when it was asked")

    # --- one answer ---

    def _check_done(self, attempt: Attempt, done: Done, entries: list[Entry]) -> None:
        self._require(attempt, bool(entries), "acknowledged, and not in the journal")
        entry = done.entry
        self._require(attempt, entry == entries[-1], f"acknowledged another entry: {entry} is not {entries[-1]}")
        self._require(attempt, self._written_step(entry) < attempt.answered_step, "acknowledged before it was durable")
        self._require(attempt, done.position == self._position(entry), f"position {done.position} is another")
        self._require(attempt, done.currency == CURRENCY, "the currency is another")
        opening = self._by_id[entry.subject_id] if entry.subject_id is not None else None
        self._require(attempt, done.opening == opening, "the opening entry is another")
        if not done.is_replay:
            self._require(attempt, self._written_step(entry) > attempt.asked_step, "an old entry as a new one")

    def _check_not_applied(self, attempt: Attempt) -> None:
        """Who is told so may ask for the same under another key: nothing under this one may be on its way there. What
        is there already, and only its answer on the way to the client, is another matter: docs/guarantees.md says what
        is not promised of it."""
        for each in attempt.operation.attempts:
            is_open = each.asked_step < attempt.asked_step and attempt.settled < each.settled
            is_first = isinstance(each.answer, Done) and not each.answer.is_replay
            is_told_wrong = each.instance == attempt.instance and is_open and is_first
            self._require(attempt, not is_told_wrong, f"{attempt.answer!r} to a repeat, and the first one was done")

    def _check_view(self, attempt: Attempt, view: AccountView) -> None:
        states = self._states[view.seller_id]
        self._require(attempt, view.seq < len(states), f"a read of seq {view.seq}, which never came to be")
        state = states[view.seq]
        expected = AccountView(
            view.seller_id,
            state.currency,
            state.is_suspended,
            state.limit,
            state.available,
            state.held,
            state.seq,
            state.at_us,
            view.seen_at_us,
        )
        self._require(attempt, view == expected, f"a read {view} where the journal has {expected}")
        self._require(attempt, view.seq <= self._durable_seq(attempt), "a read of what was not durable")
        self._require(attempt, view.seq >= attempt.seen_seq, f"a read of {view.seq} after {attempt.seen_seq} was known")
        self._require(attempt, view.seen_at_us >= state.at_us, "seen before its last entry was made")
        self._check_due(attempt, state, view.seen_at_us)
        command = attempt.operation.command
        if isinstance(command, ChangeAccount):
            self._require(attempt, command.is_suspended in (None, state.is_suspended), "not suspended as asked")
            self._require(attempt, command.credit_limit in (None, state.limit), "not the limit that was asked")
        else:
            self._require(attempt, isinstance(command, Settle), "a read for an answer")

    def _check_due(self, attempt: Attempt, state: State, seen_at_us: int) -> None:
        pending = [charge for charge in state.charges.values() if charge.status == "pending"]
        ends = [charge.expires_at_us for charge in pending if charge.expires_at_us is not None]
        if ends and self._history.was_frozen(attempt) and seen_at_us == max(state.at_us, min(ends) - 1):
            # Where holds cannot be given back, the account is shown as it was until the first of them was due; or as of
            # its last entry, where that came later: the expiry of one hold, when the backup was made before the next.
            return
        jumps = self._jumped_back_steps[attempt.instance]
        if not any(attempt.asked_step <= step <= attempt.answered_step for step in jumps):
            self._require(attempt, seen_at_us >= attempt.asked_clock_us, "seen before it was asked")
        self._require(attempt, all(end > seen_at_us for end in ends), "a hold is shown as pending after its time")

    def _check_refusal(self, attempt: Attempt, refusal: Refusal, entries: list[Entry]) -> None:
        if entries:
            step = self._written_step(entries[0])
            self._require(attempt, step > attempt.asked_step, f"a replay is refused: {refusal.code}")
        states = self._states[attempt.operation.seller_id]
        is_true = _TRUTHS[refusal.code]
        window = range(attempt.seen_seq, self._durable_seq(attempt) + 1)
        known = any(is_true(states[seq], attempt.operation.command, refusal, self._limits) for seq in window)
        self._require(attempt, known, f"refused for what is not true of seq {window}: {refusal}")

    # --- look-ups ---

    def _durable_seq(self, attempt: Attempt) -> int:
        """The last seq of the seller that was committed when this was answered."""
        return bisect_right(self._written_steps[attempt.operation.seller_id], attempt.answered_step)

    def _written_step(self, entry: Entry) -> int:
        return self._written_steps[entry.seller_id][entry.seq - 1]

    def _position(self, entry: Entry) -> int:
        return self._database.positions[entry.seller_id, entry.seq]

    def _require(self, attempt: Attempt, is_kept: bool, text: str) -> None:
        if not is_kept:
            raise Violation(attempt.answered_step, f"#{attempt.operation.number} at {attempt.instance}: {text}")


def _faults_of(command: Command, entries: list[Entry]) -> str | None:
    """What is wrong with the entries that a command wrote."""
    last = entries[-1]
    types = [str(entry.type) for entry in entries]
    details = details_of(last)
    match command:
        case Charge():
            if details.get("metadata") != (msgspec.json.decode(command.metadata) if command.metadata else None):
                return "other metadata than was given"
            if (last.phone_number, last.reference) != (command.phone_number, command.reference):
                return "other words than were asked"
            if types == ["declined"]:
                return None if minor(details["amount"]) == command.amount else "another amount was declined"
            if types != ["charge" if command.expires_in_s is None else "hold"] or last.amount != -command.amount:
                return f"{types} of {last.amount}"
        case Capture():
            given_back = sum(entry.amount for entry in entries[:-1])
            if types not in (["capture"], ["void", "capture"]) or last.subject_id != command.charge_id:
                return f"{types} of {last.subject_id}"
            if (command.amount is None and given_back) or command.amount not in (None, -last.held_change):
                return f"captured {-last.held_change}, gave back {given_back}"
        case Void():
            if types != ["void"] or last.subject_id != command.charge_id:
                return f"{types} of {last.subject_id}"
        case Refund():
            if types != ["refund"] or last.subject_id != command.charge_id or command.amount not in (None, last.amount):
                return f"{types} of {last.amount} of {last.subject_id}"
        case RequestCredit():
            if types != ["credit_requested"] or minor(details["amount"]) != command.amount:
                return f"{types} of {details}"
        case DecideCredit():
            expected = {"approve": ("credit", "credit_endorsed"), "reject": ("credit_rejected",)}
            if types[0] not in expected.get(command.decision, ("credit_cancelled",)) or len(types) > 1:
                return f"{types}"
            if (last.subject_id, last.made_by) != (command.request_id, command.caller.made_by):
                return "another request, or made by another"
        case Adjust():
            amount = command.amount if command.direction == "credit" else -command.amount
            if types != ["adjustment"] or last.amount != amount:
                return f"{types} of {last.amount}"
        case ChangeAccount():
            changes = {"suspended": command.is_suspended is True, "reinstated": command.is_suspended is False}
            if not all(changes.get(type_, command.credit_limit == last.credit_limit) for type_ in types):
                return f"{types}"
        case _:
            return f"a read wrote {types}"
    return None


# --- refusals: is it true of this state? -------------------------------------------------------------------------


def _is_short(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    # A charge is never refused for lack of credit: it is declined, and the journal keeps that.
    if not isinstance(command, Adjust) or command.direction == "credit":
        return False
    return refusal.available == state.available and command.amount > state.available + state.limit


def _is_suspended(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    return state.is_suspended and isinstance(command, Charge | RequestCredit)


def _is_unknown(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    if isinstance(command, DecideCredit):
        return command.request_id not in state.requests
    return isinstance(command, Capture | Void | Refund) and command.charge_id not in state.charges


def _is_decided(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    request = state.requests.get(command.request_id) if isinstance(command, DecideCredit) else None
    return request is not None and request.status != "pending" and refusal.detail.endswith(f" {request.status}.")


def _is_not_pending(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    charge = state.charges.get(command.charge_id) if isinstance(command, Capture | Void) else None
    return charge is not None and charge.status != "pending" and refusal.detail.endswith(f" {charge.status}.")


def _is_refunded(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    if not isinstance(command, Refund) or command.charge_id not in state.charges:
        return False
    charge = state.charges[command.charge_id]
    left = charge.amount - charge.refunded if charge.status in ("completed", "partially_refunded") else 0
    return left == 0 or (command.amount or 0) > left


def _is_limit_in_use(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    return isinstance(command, ChangeAccount) and state.available + (command.credit_limit or 0) < 0


def _is_crowded(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    return isinstance(command, RequestCredit) and state.pending() >= limits.requests_pending_max


def _needs_second(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    match command:
        case DecideCredit():
            request = state.requests.get(command.request_id)
            return request is not None and command.caller.made_by in request.approved_by
        case Adjust():
            return command.direction == "credit" and limits.needs_two(command.amount)
        case ChangeAccount():
            limit = command.credit_limit or 0
            return limit > state.limit and limits.needs_two(limit)
        case _:
            return False


def _is_key_used(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    caller = command.caller
    entry = state.keys.get((caller.by_admin, caller.idempotency_key or ""))
    return entry is not None and entry.request_hash != caller.request_hash


def _is_out_of_range(state: State, command: Command, refusal: Refusal, limits: Limits) -> bool:
    owned = state.available + state.held + state.limit
    match command:
        case Capture():
            charge = state.charges.get(command.charge_id)
            return charge is not None and charge.status == "pending" and (command.amount or 0) > charge.amount
        case Refund():
            charge = state.charges.get(command.charge_id)
            left = 0 if charge is None else charge.amount - charge.refunded
            return owned + (command.amount or left) > BALANCE_MAX
        case Adjust():
            return owned + command.amount > BALANCE_MAX
        case ChangeAccount():
            return owned - state.limit + (command.credit_limit or 0) > BALANCE_MAX
        case DecideCredit():
            request = state.requests.get(command.request_id)
            return request is not None and owned + request.amount > BALANCE_MAX
        case _:
            return False


_TRUTHS: Final[dict[RefusalCode, Callable[[State, Command, Refusal, Limits], bool]]] = {
    RefusalCode.INSUFFICIENT_CREDIT: _is_short,
    RefusalCode.SELLER_SUSPENDED: _is_suspended,
    RefusalCode.NOT_FOUND: _is_unknown,
    RefusalCode.ALREADY_DECIDED: _is_decided,
    RefusalCode.NOT_PENDING: _is_not_pending,
    RefusalCode.REFUND_EXCEEDS_CHARGE: _is_refunded,
    RefusalCode.LIMIT_IN_USE: _is_limit_in_use,
    RefusalCode.TOO_MANY_PENDING: _is_crowded,
    RefusalCode.SECOND_ADMIN_NEEDED: _needs_second,
    RefusalCode.IDEMPOTENCY_KEY_REUSED: _is_key_used,
    RefusalCode.VALIDATION_FAILED: _is_out_of_range,
}
