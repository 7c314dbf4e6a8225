"""Rule 2, its second half: a refusal has to be true at some moment between its request and its answer.

The states that the account may have been in meanwhile are those after `lowest` to `highest`: from what had
been seen before the request was sent, up to what can have been reached when the answer came.
"""

from bisect import bisect_left
from collections import defaultdict

from loadtest.checker.case import Case
from loadtest.checker.lifecycle import Step
from loadtest.checker.violation import Findings, Name
from loadtest.history import Event, Kind, Outcome, Request
from loadtest.money import to_minor


def check_refusals(case: Case, findings: Findings) -> None:
    """Refused: moved nothing (see acknowledgements), and not without cause."""
    balances: dict[int, list[int]] = defaultdict(list)
    for index, entry in enumerate(case.entries):
        balances[entry.available_after].append(index)
    for operation in case.operations:
        for event in operation.refused:
            if not _is_true(case, event, balances):
                message = f"{event.request.kind} of {event.request.target or event.request.amount}: {event.answer}"
                findings.add(2, Name.FALSE_REFUSAL, message, seller_id=case.seller_id, key=event.request.key)
    for event in case.limits:
        if event.outcome in (Outcome.REFUSED, Outcome.DONE) and not _is_limit_true(case, event):
            message = f"limit {event.request.amount}: {event.status} {event.answer}"
            findings.add(2, Name.FALSE_REFUSAL, message, seller_id=case.seller_id)


def _is_true(case: Case, event: Event, balances: dict[int, list[int]]) -> bool:
    request = event.request
    lowest = case.timeline.seen_before(event.sent_ns)
    highest = case.timeline.reached_by(event.answered_ns)
    match (event.status, event.code, request.kind):
        case (422, "idempotency_key_reused", _):
            return any(
                entry.seq <= highest and case.differences(request, entry)
                for entry in case.by_key.get((request.side, request.key or ""), ())
            )
        case (409, "not_pending", Kind.CAPTURE | Kind.VOID):
            steps = case.lifecycles.charges.get(request.target or "", [])
            return any(step.status != "pending" and step.entry.seq <= highest for step in steps)
        case (409, "already_decided", Kind.APPROVE | Kind.REJECT | Kind.CANCEL):
            steps = case.lifecycles.requests.get(request.target or "", [])
            return any(step.status != "pending" and step.entry.seq <= highest for step in steps)
        case (409, "refund_exceeds_charge", Kind.REFUND):
            return _left_at_least(case.lifecycles.charges.get(request.target or "", []), lowest, highest, request)
        case (422, "validation_failed", Kind.CAPTURE):
            steps = case.lifecycles.charges.get(request.target or "", [])
            return bool(steps) and request.amount is not None and request.amount > steps[0].amount
        case (402, "insufficient_credit", Kind.ADJUST):
            return _is_debit_too_large(case, event, balances, lowest, highest)
        case _:
            return False


def _left_at_least(steps: list[Step], lowest: int, highest: int, request: Request) -> bool:
    """Whether in some state less was left to refund than was asked for."""
    possible = [step for step in steps if step.entry.seq <= highest]
    was_before = [step for step in possible if step.entry.seq <= lowest][-1:]
    for step in was_before + [step for step in possible if step.entry.seq > lowest]:
        is_captured = step.status in ("completed", "partially_refunded", "refunded")
        left = step.amount - step.refunded if is_captured else 0
        if left == 0 or (request.amount is not None and request.amount > left):
            return True
    return False


def _is_debit_too_large(case: Case, event: Event, balances: dict[int, list[int]], lowest: int, highest: int) -> bool:
    """Whether the available credit that was answered was there, and was too little."""
    request = event.request
    try:
        available = to_minor(event.answer.get("available"), request.currency)
    except ValueError:
        return False
    indexes = balances.get(available, [])
    debit = -(request.amount or 0)
    # Seqs count from 1 without gaps in whatever passes rule 1, so the state after seq is at index seq - 1.
    for index in indexes[bisect_left(indexes, lowest - 1) :]:
        if index > highest - 1:
            return False
        if debit > available + case.lifecycles.limit_after[index]:
            return True
    return False


def _is_limit_true(case: Case, event: Event) -> bool:
    """Whether, at some moment between the request and its answer, the limit that was set was in force; or the one
    that was refused was below what was used. (Linear in what happened meanwhile: limits change seldom.)
    """
    lowest = max(case.timeline.seen_before(event.sent_ns), 1)
    highest = case.timeline.reached_by(event.answered_ns)
    limit = event.request.amount or 0
    if event.outcome is Outcome.DONE:
        return limit in case.lifecycles.limit_after[lowest - 1 : highest]
    states = case.entries[lowest - 1 : highest]
    return (event.status, event.code) == (409, "limit_in_use") and any(
        state.available_after + limit < 0 for state in states
    )
