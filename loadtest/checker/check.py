"""The whole check: histories and journals of all sellers in, violations out. O(n log n), no input or output."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from loadtest.checker.acknowledgements import check_acknowledgements
from loadtest.checker.arithmetic import check_arithmetic, check_positions
from loadtest.checker.case import Case
from loadtest.checker.declines import check_declines
from loadtest.checker.reads import check_reads
from loadtest.checker.real_time import check_real_time
from loadtest.checker.refusals import check_refusals
from loadtest.checker.totals import Closing, check_totals
from loadtest.checker.violation import Findings
from loadtest.entries import JournalEntry
from loadtest.history import Event


def check(
    events: Iterable[Event],
    journals: Mapping[str, list[JournalEntry]],
    closing: Closing,
    *,
    is_whole_journal: bool = False,
) -> Findings:
    """`journals`: every seller of the play, oldest entry first. `is_whole_journal`: these are all there are."""
    findings = Findings()
    of_seller: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_seller[event.request.seller_id].append(event)
    sellers = sorted(journals.keys() | of_seller.keys())
    cases = [Case(seller_id, journals.get(seller_id, []), of_seller[seller_id]) for seller_id in sellers]
    for case in cases:
        check_arithmetic(case, findings)
        check_acknowledgements(case, findings)
        check_refusals(case, findings)
        check_real_time(case, findings)
        check_reads(case, findings)
        check_declines(case, findings)
    check_positions(cases, is_whole_journal=is_whole_journal, findings=findings)
    check_totals(cases, closing, is_whole_journal=is_whole_journal, findings=findings)
    return findings
