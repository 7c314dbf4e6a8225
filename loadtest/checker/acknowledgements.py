"""Rule 2, its first half: what was acknowledged, what was not, and what was asked more than once."""

from typing import Any

from loadtest.checker import answers
from loadtest.checker.case import Case
from loadtest.checker.operation import Operation
from loadtest.checker.violation import Findings, Name
from loadtest.entries import JournalEntry
from loadtest.history import ON_CREDIT_REQUEST, READS, Event, Kind, Outcome


def check_acknowledgements(case: Case, findings: Findings) -> None:
    """Acknowledged: in the journal exactly once, the same fields. Refused: moved nothing.
    Unknown: at most once. Retries agree.
    """
    owners: dict[int, Operation] = {}
    for operation in case.operations:
        findings.looked_at[2] += len(operation.events)
        _check_place(case, operation, findings)
        _check_answers(case, operation, findings)
        _check_retries(case, operation, findings)
        entry = operation.entry
        if entry is not None:
            other = owners.setdefault(entry.seq, operation)
            if other is not operation:
                _bad(findings, Name.DOUBLED, case, operation, "two requests were given one entry", entry.seq)
    _check_explained(case, owners, findings)
    _check_internal_errors(case, findings)


def _check_place(case: Case, operation: Operation, findings: Findings) -> None:
    """The operation's entry is there exactly when it has to be."""
    request, entry = operation.request, operation.entry
    if request.key is not None:
        for extra in case.by_key.get((request.side, request.key), ())[1:]:
            _bad(findings, Name.DOUBLED, case, operation, "a second entry under the key", extra.seq)
    if operation.acknowledged:
        event = operation.acknowledged[0]
        if entry is None and request.key is not None and (request.side, request.key) in case.by_key:
            _bad(findings, Name.RETRIES_DISAGREE, case, operation, "two bodies under one key were acknowledged")
            return
        if entry is None:
            _bad(findings, Name.LOST, case, operation, f"{request.kind} answered {event.status}: {event.answer}")
            return
        for difference in case.differences(request, entry):
            _bad(findings, Name.NOT_AS_ASKED, case, operation, difference, entry.seq)
    elif entry is not None and not operation.unknown:
        message = f"{request.kind} was answered {[event.status for event in operation.events]}"
        _bad(findings, Name.APPLIED_THOUGH_REFUSED, case, operation, message, entry.seq)
    elif entry is not None:
        for difference in case.differences(request, entry):
            _bad(findings, Name.NOT_AS_ASKED, case, operation, difference, entry.seq)


def _check_answers(case: Case, operation: Operation, findings: Findings) -> None:
    """Each acknowledgement says what the journal says."""
    entry = operation.entry
    if entry is None:
        return
    for event in operation.acknowledged:
        expected = _expected(case, event, entry)
        if expected is None:
            _bad(findings, Name.FIELD_DIFFERS, case, operation, f"{event.outcome} for a {entry.type}", entry.seq)
            continue
        for difference in answers.differences(expected, _shown(event)):
            _bad(findings, Name.FIELD_DIFFERS, case, operation, difference, entry.seq)


def _expected(case: Case, event: Event, entry: JournalEntry) -> dict[str, Any] | None:
    """None if an entry of this type cannot have been answered so."""
    kind = event.request.kind
    if (event.outcome is Outcome.DECLINED) != (entry.type == "declined"):
        return None
    if event.is_of_batch:
        return answers.batch_result(entry)
    if event.outcome is Outcome.DECLINED:
        return answers.decline(entry)
    if kind in ON_CREDIT_REQUEST:
        steps = case.lifecycles.requests.get(entry.credit_request_id or "")
        return answers.credit_request(steps, entry) if steps else None
    if kind is Kind.ADJUST:
        return answers.transaction(entry)
    steps = case.lifecycles.charges.get(entry.charge_id or "")
    is_step = steps is not None and any(step.entry is entry for step in steps)
    return answers.charge(steps, entry) if steps is not None and is_step else None


def _shown(event: Event) -> dict[str, Any]:
    """The answer, without what a problem says about itself only."""
    if event.outcome is not Outcome.DECLINED or event.is_of_batch:
        return event.answer
    return {name: event.answer.get(name) for name in ("status", "code", "charge_id", "available")}


def _check_retries(case: Case, operation: Operation, findings: Findings) -> None:
    """One answer, however often it is asked; only the first is no replay; nothing else once it was given."""
    acknowledged = operation.acknowledged
    if not acknowledged:
        return
    if len({(event.status, _repeated(event)) for event in acknowledged if not event.is_of_batch}) > 1:
        shown = sorted({event.body.decode(errors="replace") for event in acknowledged})
        _bad(findings, Name.RETRIES_DISAGREE, case, operation, f"different answers: {shown[:2]}")
    # A batch does not tell which of its charges it replays.
    first_answers = sum(not event.is_replay and not event.is_of_batch for event in acknowledged)
    if first_answers > 1:
        _bad(findings, Name.RETRIES_DISAGREE, case, operation, f"{first_answers} answers are no replay")
    if first_answers == 0 and not operation.unknown and all(event.is_replay for event in acknowledged):
        _bad(findings, Name.RETRIES_DISAGREE, case, operation, "every answer is a replay, of none")
    known_ns = min(event.answered_ns for event in acknowledged)
    for event in operation.refused:
        if event.sent_ns > known_ns:
            message = f"answered {event.status} {event.code} after it had been acknowledged"
            _bad(findings, Name.RETRIES_DISAGREE, case, operation, message)


def _repeated(event: Event) -> object:
    """What a replay repeats: every byte, save a problem's request_id."""
    if event.outcome is not Outcome.DECLINED:
        return event.body
    return tuple(sorted((name, repr(value)) for name, value in event.answer.items() if name != "request_id"))


def _check_explained(case: Case, owners: dict[int, Operation], findings: Findings) -> None:
    """Every entry was asked for by somebody, once."""
    limits = {event.request.amount for event in case.limits if event.outcome is not Outcome.NOT_APPLIED}
    asked_for: set[tuple[str, object, object, int]] = {
        _content(operation.entry) for operation in case.operations if operation.entry is not None
    }
    for index, entry in enumerate(case.entries):
        if entry.seq in owners or entry.type in ("opened", "expiry"):
            continue
        if entry.seq in case.lifecycles.partial_voids and case.entries[index + 1].seq in owners:
            continue
        if entry.type == "limit_changed" and case.lifecycles.limit_after[index] in limits:
            continue
        is_copy = _content(entry) in asked_for
        name = Name.DOUBLED if is_copy else Name.UNEXPLAINED
        message = f"{entry.type} of {entry.amount}, charge {entry.charge_id}, made by {entry.made_by}"
        findings.add(2, name, message, seller_id=case.seller_id, seq=entry.seq, key=entry.key)


def _content(entry: JournalEntry) -> tuple[str, object, object, int]:
    """What two entries share if one is the other's double."""
    subject = entry.details.get("phone_number") or entry.charge_id or entry.credit_request_id
    return (entry.type, subject, entry.details.get("reference"), max(abs(entry.amount), abs(entry.held_change)))


def _check_internal_errors(case: Case, findings: Findings) -> None:
    events = [event for operation in case.operations for event in operation.events] + case.reads + case.limits
    for event in events:
        if event.status == 500:
            request = event.request
            what = "read" if request.kind in READS else "request"
            message = f"{what} {request.kind} answered 500: {event.answer}"
            findings.add(2, Name.INTERNAL_ERROR, message, seller_id=case.seller_id, key=request.key)


def _bad(
    findings: Findings, name: Name, case: Case, operation: Operation, message: str, seq: int | None = None
) -> None:
    findings.add(2, name, message, seller_id=case.seller_id, seq=seq, key=operation.request.key)
