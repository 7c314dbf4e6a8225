"""What must be true of many charges in one command, beyond what is true of each of them."""

from collections.abc import Iterable

from actors.commands import Charge, ChargeMany, Done, ManyDone, Refusal, RefusalCode
from journal.entry import Entry
from tests.simulation.journal_rules import Violation
from tests.simulation.model import State, details_of
from tests.simulation.operations import Attempt, History, Operation, tag_of


def sold_before(operations: Iterable[Operation]) -> dict[str, int]:
    """For each charge of an atomic batch, by its tag: the sum of those before it."""
    sums: dict[str, int] = {}
    for operation in operations:
        if isinstance(operation.command, ChargeMany) and operation.command.is_atomic:
            total = 0
            for part in operation.parts:
                sums[part.tag] = max(total, sums.get(part.tag, 0))
                assert isinstance(part.command, Charge)
                total += part.command.amount
    return sums


def check_batches(history: History, states: dict[str, list[State]]) -> None:
    written: dict[str, tuple[int, Entry]] = {}
    for flush in history.written:
        for entry in flush.entries:
            written[tag_of(entry) or ""] = flush.step, entry
    for operation in history.operations:
        if not isinstance(operation.command, ChargeMany):
            continue
        for attempt in operation.attempts:
            if isinstance(attempt.answer, ManyDone):
                _check_together(attempt, attempt.answer, written)
            elif isinstance(attempt.answer, Refusal):
                _check_refusal(attempt, attempt.answer, states[operation.seller_id])
        if operation.command.is_atomic:
            _check_atomic(operation, written)


def _check_together(attempt: Attempt, answer: ManyDone, written: dict[str, tuple[int, Entry]]) -> None:
    """What one command wrote was written in one piece, in its order."""
    number = attempt.operation.number
    if len(answer.results) != len(attempt.operation.parts):
        raise Violation(attempt.answered_step, f"#{number} has {len(answer.results)} results")
    new = [result for result in answer.results if isinstance(result, Done) and not result.is_replay]
    positions = [done.position for done in new]
    if positions != list(range(positions[0], positions[0] + len(new))) if new else False:
        raise Violation(attempt.answered_step, f"#{number} was written at positions {positions}")
    if len({written[tag_of(done.entry) or ""][0] for done in new}) > 1:
        raise Violation(attempt.answered_step, f"#{number} was not written at once")


def _check_refusal(attempt: Attempt, refusal: Refusal, timeline: list[State]) -> None:
    """A batch is refused as a whole only if it is atomic, for a suspension or for keys."""
    operation, step = attempt.operation, attempt.answered_step
    command = operation.command
    assert isinstance(command, ChargeMany)
    if not command.is_atomic:
        raise Violation(step, f"#{operation.number} is not atomic and was refused as a whole: {refusal}")
    since = timeline[attempt.seen_seq :]
    keys = [(each.caller.by_admin, each.caller.idempotency_key or "") for each in command.charges]
    if refusal.code is RefusalCode.SELLER_SUSPENDED:
        is_true = any(state.is_suspended for state in since)
    else:
        is_known = any(key in state.keys for state in since for key in keys)
        is_twice = len({key for _, key in keys if key}) < sum(1 for _, key in keys if key)
        is_true = refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED and (is_known or is_twice)
    if not is_true:
        raise Violation(step, f"#{operation.number} was refused for what is not true: {refusal}")


def _check_atomic(operation: Operation, written: dict[str, tuple[int, Entry]]) -> None:
    """All or nothing: all sold, or all declined, one of them for its own lack of credit; and all in one flush."""
    own = [part for part in operation.parts if part.is_part_of_atomic]
    found = [written[part.tag] for part in own if part.tag in written]
    if not found:
        return
    step = found[0][0]
    if len(found) != len(own) or len({step for step, _ in found}) > 1:
        raise Violation(step, f"#{operation.number} is atomic, and {len(found)} of {len(own)} were written at once")
    is_declined = [entry.type == "declined" for _, entry in found]
    struck = [entry for _, entry in found if entry.type == "declined" and "failure_code" not in details_of(entry)]
    if any(is_declined) and not (all(is_declined) and len(struck) <= 1):
        raise Violation(step, f"#{operation.number} is atomic, and was sold and declined, or struck twice")
    if all(is_declined) and len(own) == len(operation.parts) and len(struck) != 1:
        raise Violation(step, f"#{operation.number} was declined and nobody knows why")
