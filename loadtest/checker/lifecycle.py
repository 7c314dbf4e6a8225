"""What the journal says about each charge and credit request: its states, entry by entry.

A second account of the rules of a charge, written from the contract: a hold is captured once, in full or in
part (the rest is given back by a `void` directly before), or voided, or expires; what was captured can be
refunded up to its sum. A credit request is decided once. An entry that fits none of this is noted in `faults`.
"""

import heapq
from typing import Final

from msgspec import Struct

from loadtest.entries import JournalEntry, micros

NEVER: Final = 2**63


class Step(Struct, frozen=True):
    """A charge, or credit request, as it is after `entry`. Amounts are minor units."""

    entry: JournalEntry
    status: str
    amount: int
    refunded: int = 0


class Lifecycles:
    """Of one seller's journal, read once from its beginning."""

    def __init__(self, entries: list[JournalEntry]) -> None:
        self.charges: dict[str, list[Step]] = {}
        """By charge id; the first step is the entry that opened it. The void of a partial capture is no step."""
        self.opened_seqs: list[int] = []
        """Of the entries that opened a charge, in order."""
        self.requests: dict[str, list[Step]] = {}
        self.limit_after: list[int] = []
        """The credit limit in force after each entry, by index."""
        self.next_expiry_us_after: list[int] = []
        """When the first of the holds that are pending after each entry expires, by index; NEVER for none."""
        self.partial_voids: set[int] = set()
        """Seqs of voids that give back the rest of a partial capture."""
        self.faults: list[tuple[int, str]] = []
        """(seq, what is wrong)."""
        self._entries = entries
        self._expiries: list[tuple[int, str]] = []
        limit = 0
        for index, entry in enumerate(entries):
            self._take(index, entry)
            if entry.type == "limit_changed":
                limit = entry.detail_amount("credit_limit")
            self.limit_after.append(limit)
            self.next_expiry_us_after.append(self._next_expiry_us())

    def _next_expiry_us(self) -> int:
        while self._expiries and self.charges[self._expiries[0][1]][-1].status != "pending":
            heapq.heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else NEVER

    def _take(self, index: int, entry: JournalEntry) -> None:
        overdue_us = self.next_expiry_us_after[-1] if self.next_expiry_us_after else NEVER
        if entry.type != "expiry" and entry.at_us >= overdue_us and not self._ends_partial_capture(index):
            self._fault(entry, "a hold that had expired was not given back first")
        match entry.type:
            case "opened" | "suspended" | "reinstated" | "limit_changed" | "adjustment":
                if (index == 0) != (entry.type == "opened"):
                    self._fault(entry, "an account is opened by its first entry")
            case "charge":
                self._open_charge(entry, "completed", -entry.amount)
            case "declined":
                self._open_charge(entry, "failed", entry.detail_amount("amount"))
            case "hold":
                self._open_charge(entry, "pending", entry.held_change)
            case "capture" | "void" | "expiry" | "refund":
                self._continue_charge(index, entry)
            case "credit_requested":
                if entry.credit_request_id != entry.id or entry.id in self.requests:
                    self._fault(entry, "a credit request has the id of its entry")
                self.requests[entry.id] = [Step(entry, "pending", entry.detail_amount("amount"))]
            case "credit" | "credit_endorsed" | "credit_rejected" | "credit_cancelled":
                self._continue_request(entry)
            case _:
                self._fault(entry, f"unknown type {entry.type!r}")

    def _open_charge(self, entry: JournalEntry, status: str, amount: int) -> None:
        if entry.charge_id != entry.id or entry.id in self.charges:
            self._fault(entry, "a charge has the id of its entry")
        if amount <= 0:
            self._fault(entry, f"a charge of {amount}")
        self.charges[entry.id] = [Step(entry, status, amount)]
        self.opened_seqs.append(entry.seq)
        if status == "pending":
            heapq.heappush(self._expiries, (micros(entry.details["expires_at"]), entry.id))

    def _continue_charge(self, index: int, entry: JournalEntry) -> None:
        steps = self.charges.get(entry.charge_id or "")
        if steps is None:
            self._fault(entry, f"{entry.type} of a charge that is not there")
            return
        last = steps[-1]
        is_pending = last.status == "pending"
        match entry.type:
            case "capture":
                rest = self._given_back_before(index)
                if not is_pending or -entry.held_change != last.amount - rest:
                    self._fault(entry, f"capture of {-entry.held_change} of {last.amount} {last.status}")
                steps.append(Step(entry, "completed", -entry.held_change))
            case "void" if self._starts_partial_capture(index):
                self.partial_voids.add(entry.seq)
                if not is_pending or not 0 < entry.amount < last.amount:
                    self._fault(entry, f"void of {entry.amount} of {last.amount} {last.status}")
            case "void" | "expiry":
                if not is_pending or entry.amount != last.amount:
                    self._fault(entry, f"{entry.type} of {entry.amount} of {last.amount} {last.status}")
                if entry.type == "expiry" and entry.at_us < micros(steps[0].entry.details["expires_at"]):
                    self._fault(entry, "expired before its time")
                steps.append(Step(entry, "voided" if entry.type == "void" else "expired", last.amount))
            case _:
                refunded = last.refunded + entry.amount
                is_captured = last.status in ("completed", "partially_refunded")
                if not is_captured or not last.refunded < refunded <= last.amount:
                    self._fault(entry, f"refund of {entry.amount}: {last.refunded} of {last.amount} {last.status}")
                status = "refunded" if refunded == last.amount else "partially_refunded"
                steps.append(Step(entry, status, last.amount, refunded))

    def _continue_request(self, entry: JournalEntry) -> None:
        steps = self.requests.get(entry.credit_request_id or "")
        if steps is None:
            self._fault(entry, f"{entry.type} of a credit request that is not there")
            return
        last = steps[-1]
        status = {"credit": "approved", "credit_rejected": "rejected", "credit_cancelled": "cancelled"}.get(
            entry.type, "pending"
        )
        if last.status != "pending":
            self._fault(entry, f"a second decision: {entry.type} after {last.status}")
        if entry.type == "credit" and entry.amount != last.amount:
            self._fault(entry, f"credit of {entry.amount} where {last.amount} was requested")
        steps.append(Step(entry, status, last.amount))

    def _starts_partial_capture(self, index: int) -> bool:
        following = self._entries[index + 1] if index + 1 < len(self._entries) else None
        return following is not None and (following.type, following.charge_id) == (
            "capture",
            self._entries[index].charge_id,
        )

    def _ends_partial_capture(self, index: int) -> bool:
        return index > 0 and self._entries[index - 1].seq in self.partial_voids

    def _given_back_before(self, index: int) -> int:
        return self._entries[index - 1].amount if self._ends_partial_capture(index) else 0

    def _fault(self, entry: JournalEntry, message: str) -> None:
        self.faults.append((entry.seq, message))
