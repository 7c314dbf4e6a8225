"""Rule 4: reads show a state that was, and none that was over."""

from loadtest.checker import answers
from loadtest.checker.case import Case
from loadtest.checker.violation import Findings, Name
from loadtest.entries import micros
from loadtest.history import Event, Kind, Outcome
from loadtest.money import to_text


def check_reads(case: Case, findings: Findings) -> None:
    """A read `(seq, balance)` equals the journal at that `seq`; it is at least every `seq` acknowledged
    before the read was sent. A charge that was read is as of its last entry at some such moment.
    """
    for event in case.reads:
        if event.outcome is Outcome.REFUSED:
            _bad(findings, Name.WRONG_READ, case, event, f"refused: {event.status} {event.answer}")
        elif event.outcome is Outcome.DONE:
            findings.looked_at[4] += 1
            if event.request.kind is Kind.READ_BALANCE:
                _check_balance(case, event, findings)
            else:
                _check_charge(case, event, findings)


def _check_balance(case: Case, event: Event, findings: Findings) -> None:
    answer = dict(event.answer)
    as_of = answer.pop("as_of", None)
    entry = case.at(answer.get("seq"))
    if entry is None:
        _bad(findings, Name.WRONG_READ, case, event, f"no such seq: {event.answer}")
        return
    index = case.index_of[entry.seq]
    expected = {
        "seller_id": case.seller_id,
        "currency": entry.currency,
        "available": to_text(entry.available_after, entry.currency),
        "held": to_text(entry.held_after, entry.currency),
        "credit_limit": to_text(case.lifecycles.limit_after[index], entry.currency),
        "seq": entry.seq,
    }
    for difference in answers.differences(expected, answer):
        _bad(findings, Name.WRONG_READ, case, event, difference, entry.seq)
    if entry.seq in case.lifecycles.partial_voids:
        _bad(findings, Name.WRONG_READ, case, event, "half of a partial capture", entry.seq)
    try:
        as_of_us = micros(as_of)
    except ValueError as error:
        _bad(findings, Name.WRONG_READ, case, event, f"as_of: {error}", entry.seq)
    else:
        if not entry.at_us <= as_of_us < case.lifecycles.next_expiry_us_after[index]:
            message = f"as of {as_of}: before its entry, or a hold had expired by then"
            _bad(findings, Name.WRONG_READ, case, event, message, entry.seq)
    seen = case.timeline.seen_before(event.sent_ns)
    if entry.seq < seen:
        _bad(findings, Name.STALE_READ, case, event, f"seq {seen} had been shown before", entry.seq)


def _check_charge(case: Case, event: Event, findings: Findings) -> None:
    answer = event.answer
    steps = case.lifecycles.charges.get(event.request.target or "", [])
    shown = next((index for index, step in enumerate(steps) if step.entry.seq == answer.get("seq")), None)
    if shown is None:
        _bad(findings, Name.WRONG_READ, case, event, f"no such entry of the charge: {answer}")
        return
    entry = steps[shown].entry
    for difference in answers.differences(answers.charge(steps, entry), answer):
        _bad(findings, Name.WRONG_READ, case, event, difference, entry.seq)
    following = steps[shown + 1].entry.seq if shown + 1 < len(steps) else None
    seen = case.timeline.seen_before(event.sent_ns)
    if following is not None and following <= seen:
        _bad(findings, Name.STALE_READ, case, event, f"seq {following} of the charge had been shown before", entry.seq)


def _bad(findings: Findings, name: Name, case: Case, event: Event, message: str, seq: int | None = None) -> None:
    findings.add(4, name, f"{event.request.kind}: {message}", seller_id=case.seller_id, seq=seq)
