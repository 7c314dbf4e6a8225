"""The whole check: histories and journals of all sellers in, violations out. O(n log n), no input or output.

Seller by seller, so that no more than one journal has to be there at a time, however many there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loadtest.checker.acknowledgements import check_acknowledgements
from loadtest.checker.arithmetic import Positions, check_arithmetic
from loadtest.checker.case import Case
from loadtest.checker.declines import check_declines
from loadtest.checker.reads import check_reads
from loadtest.checker.real_time import check_real_time
from loadtest.checker.refusals import check_refusals
from loadtest.checker.totals import Closing, Totals
from loadtest.checker.violation import Findings
from loadtest.entries import JournalEntry
from loadtest.history import Event


class Checking:
    """Takes the sellers one after the other; `finish` adds what can only be said of all of them."""

    def __init__(self) -> None:
        self.findings = Findings()
        self._positions = Positions()
        self._totals = Totals()

    def take(
        self, seller_id: str, entries: list[JournalEntry], events: Sequence[Event], balance: Mapping[str, Any]
    ) -> None:
        """The seller's whole journal, oldest entry first; all that was asked about it; its closing balance."""
        case, findings = Case(seller_id, entries, events), self.findings
        check_arithmetic(case, findings)
        check_acknowledgements(case, findings)
        check_refusals(case, findings)
        check_real_time(case, findings)
        check_reads(case, findings)
        check_declines(case, findings)
        self._positions.take(case)
        self._totals.take(case, balance, findings)

    def finish(self, trial_balance: Mapping[str, Any] | None = None, *, is_whole_journal: bool = False) -> Findings:
        """`is_whole_journal`: the sellers that were taken are all there are."""
        self._positions.finish(is_whole_journal=is_whole_journal, findings=self.findings)
        self._totals.finish(trial_balance, is_whole_journal=is_whole_journal, findings=self.findings)
        return self.findings


def check(
    events: Iterable[Event],
    journals: Mapping[str, list[JournalEntry]],
    closing: Closing,
    *,
    is_whole_journal: bool = False,
) -> Findings:
    """`journals`: every seller of the play, oldest entry first. `is_whole_journal`: these are all there are."""
    of_seller = by_seller(events)
    checking = Checking()
    for seller_id in sorted(journals.keys() | of_seller.keys()):
        balance = closing.balances.get(seller_id, {})
        checking.take(seller_id, journals.get(seller_id, []), of_seller.get(seller_id, ()), balance)
    return checking.finish(closing.trial_balance, is_whole_journal=is_whole_journal)


def by_seller(events: Iterable[Event]) -> dict[str, list[Event]]:
    """What was asked about each seller, in the order given."""
    of_seller: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_seller[event.request.seller_id].append(event)
    return dict(of_seller)
