"""Rule 1: the journal by itself, whatever was answered."""

from typing import Final

from loadtest.checker.case import Case
from loadtest.checker.violation import Findings, Name
from loadtest.entries import JournalEntry
from loadtest.receipt import GENESIS, receipt

FLOWS: Final[dict[str, tuple[str, str, int, int]]] = {
    "credit": ("funding", "available", 1, 0),
    "charge": ("available", "sales", -1, 0),
    "hold": ("available", "held", -1, 1),
    "capture": ("held", "sales", 0, -1),
    "void": ("held", "available", 1, -1),
    "expiry": ("held", "available", 1, -1),
    "refund": ("sales", "available", 1, 0),
}
"""type: debited, credited, and the signs of what that does to available and held credit."""


def check_arithmetic(case: Case, findings: Findings) -> None:
    """`seq` is 1..n; `available_after[i] = available_after[i-1] + amount[i]`, never under the floor;
    debits = credits; the chain verifies. (And the same of what is held, of each charge's life, and of time.)
    """

    def bad(name: Name, entry: JournalEntry, message: str) -> None:
        findings.add(1, name, message, seller_id=case.seller_id, seq=entry.seq)

    seq, available, held, at_us, position, previous_hash = 0, 0, 0, 0, 0, GENESIS
    for entry, limit in zip(case.entries, case.lifecycles.limit_after, strict=True):
        findings.looked_at[1] += 1
        if entry.seq != seq + 1:
            bad(Name.SEQ_GAP, entry, f"follows {seq}")
        if entry.position <= position:
            bad(Name.POSITION_OUT_OF_ORDER, entry, f"position {entry.position} after {position}")
        if entry.at_us < at_us:
            bad(Name.TIME_BACKWARDS, entry, f"{entry.created_at} is before its predecessor's time")
        if entry.available_after != available + entry.amount:
            bad(Name.WRONG_BALANCE, entry, f"available {entry.available_after} after {available} + {entry.amount}")
        if entry.held_after != held + entry.held_change or entry.held_after < 0:
            bad(Name.WRONG_BALANCE, entry, f"held {entry.held_after} after {held} + {entry.held_change}")
        if entry.available_after < -limit:
            bad(Name.FLOOR_PASSED, entry, f"available {entry.available_after}, limit {limit}")
        if not _is_double_entry(entry):
            bad(
                Name.UNBALANCED,
                entry,
                f"{entry.type}: {entry.debit_account} to {entry.credit_account}, {entry.amount}, {entry.held_change}",
            )
        if entry.previous_hash != previous_hash:
            bad(Name.BROKEN_CHAIN, entry, "previous_hash is not the hash before")
        if entry.hash != receipt(entry):
            bad(Name.BROKEN_CHAIN, entry, "hash is not that of the content")
        seq, position, at_us, previous_hash = entry.seq, entry.position, entry.at_us, entry.hash
        available, held = entry.available_after, entry.held_after

    for faulty, message in case.lifecycles.faults:
        findings.add(1, Name.IMPOSSIBLE_STEP, message, seller_id=case.seller_id, seq=faulty)


class Positions:
    """Rule 1 across sellers: no position twice; 1..n without a gap, if these sellers are all there are."""

    def __init__(self) -> None:
        self._places: list[tuple[int, str, int]] = []

    def take(self, case: Case) -> None:
        self._places.extend((entry.position, case.seller_id, entry.seq) for entry in case.entries)

    def finish(self, *, is_whole_journal: bool, findings: Findings) -> None:
        previous = 0
        for position, seller_id, seq in sorted(self._places):
            if position == previous or (is_whole_journal and position != previous + 1):
                message = f"position {position} after {previous}"
                findings.add(1, Name.POSITION_OUT_OF_ORDER, message, seller_id=seller_id, seq=seq)
            previous = position


def _is_double_entry(entry: JournalEntry) -> bool:
    """One amount leaves one account and reaches another, and the seller's two balances follow from that."""
    flow = FLOWS.get(entry.type)
    if entry.type == "adjustment":
        sign = 1 if entry.amount > 0 else -1
        accounts = ("adjustments", "available")[::sign]
        flow = (accounts[0], accounts[1], sign, 0)
    moved = max(abs(entry.amount), abs(entry.held_change))
    if flow is None:
        return moved == 0 and entry.debit_account is None and entry.credit_account is None
    debited, credited, available_sign, held_sign = flow
    return (
        moved > 0
        and (entry.debit_account, entry.credit_account) == (debited, credited)
        and (entry.amount, entry.held_change) == (available_sign * moved, held_sign * moved)
    )
