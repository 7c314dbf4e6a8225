"""Rule 4: reads show a state that was, and none that was over."""

from bisect import bisect_left, bisect_right
from typing import Any

from loadtest.checker import answers
from loadtest.checker.case import Case
from loadtest.checker.violation import Findings, Name
from loadtest.entries import micros
from loadtest.history import LIST_LIMIT, Event, Kind, Outcome
from loadtest.money import to_text


def check_reads(case: Case, findings: Findings) -> None:
    """A read `(seq, balance)` equals the journal at that `seq`; it is at least every `seq` acknowledged
    before the read was sent. A charge that was read is as of its last entry at some such moment; a list has
    every one of the newest.
    """
    for event in case.reads:
        if event.outcome is Outcome.REFUSED:
            _bad(findings, Name.WRONG_READ, case, event, f"refused: {event.status} {event.answer}")
        elif event.outcome is Outcome.DONE:
            findings.looked_at[4] += 1
            match event.request.kind:
                case Kind.READ_BALANCE:
                    _check_balance(case, event, findings)
                case Kind.READ_CHARGE:
                    _check_charge(case, event, event.answer, event.request.target, findings)
                case _:
                    _check_list(case, event, findings)


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


def _check_list(case: Case, event: Event, findings: Findings) -> None:
    """Each as if it had been read by itself; newest first; none left out from the oldest that is shown to the newest
    that had been seen, or, if there are no more, from the first of all.
    """
    shown = event.answer.get("data")
    if not isinstance(shown, list) or not all(isinstance(charge, dict) for charge in shown):
        _bad(findings, Name.WRONG_READ, case, event, f"not a list: {event.answer}")
        return
    opened = []
    for charge in shown:
        _check_charge(case, event, charge, charge.get("id"), findings)
        entry = case.by_id.get(charge.get("id", ""))
        opened.append(entry.seq if entry is not None else 0)
    has_more = event.answer.get("has_more") is True
    if len(shown) > LIST_LIMIT or (has_more and len(shown) < LIST_LIMIT):
        _bad(findings, Name.WRONG_READ, case, event, f"{len(shown)} charges, has_more is {has_more}")
    newest = max(case.timeline.seen_before(event.sent_ns), max(opened, default=0))
    all_opened = case.lifecycles.opened_seqs
    first = bisect_left(all_opened, opened[-1]) if opened and has_more else 0
    expected = all_opened[first : bisect_right(all_opened, newest)]
    if opened != expected[::-1]:
        _bad(findings, Name.WRONG_READ, case, event, f"lists the charges of seq {opened}, there were {expected[::-1]}")


def _check_charge(case: Case, event: Event, answer: dict[str, Any], charge_id: object, findings: Findings) -> None:
    steps = case.lifecycles.charges.get(charge_id, []) if isinstance(charge_id, str) else []
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
