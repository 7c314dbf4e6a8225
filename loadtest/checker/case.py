"""One seller's case: its journal and its part of the history, brought together once for all rules.

Finds each operation's entry in the journal: by its key where it has one, else by what its answer points to,
else (no key, no answer) an entry that is as was asked and belongs to nobody else.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from loadtest.checker.lifecycle import Lifecycles
from loadtest.checker.operation import Operation, operations_of
from loadtest.checker.timeline import Timeline
from loadtest.entries import JournalEntry, micros
from loadtest.history import READS, Event, Kind, Outcome, Request

ENTRY_TYPES: Final[dict[Kind, frozenset[str]]] = {
    Kind.CAPTURE: frozenset({"capture"}),
    Kind.VOID: frozenset({"void"}),
    Kind.REFUND: frozenset({"refund"}),
    Kind.REQUEST_CREDIT: frozenset({"credit_requested"}),
    Kind.APPROVE: frozenset({"credit", "credit_endorsed"}),
    Kind.REJECT: frozenset({"credit_rejected"}),
    Kind.CANCEL: frozenset({"credit_cancelled"}),
    Kind.ADJUST: frozenset({"adjustment"}),
}
"""What an operation writes. A charge: see `_types_of`."""

HOLD_DEFAULT_S: Final = 900


class Case:
    def __init__(self, seller_id: str, entries: list[JournalEntry], events: Sequence[Event]) -> None:
        """`entries`: the seller's journal, oldest first. `events`: all that were sent about this seller."""
        self.seller_id = seller_id
        self.entries = entries
        self.operations = operations_of(events)
        self.reads = [event for event in events if event.request.kind in READS]
        self.limits = [event for event in events if event.request.kind is Kind.SET_LIMIT]
        self.lifecycles = Lifecycles(entries)
        self.index_of = {entry.seq: index for index, entry in reversed(list(enumerate(entries)))}
        self.by_id = {entry.id: entry for entry in entries}
        self.by_key: dict[tuple[str, str], list[JournalEntry]] = defaultdict(list)
        for entry in entries:
            if entry.key is not None:
                self.by_key[entry.side, entry.key].append(entry)
        self._settle_entries()
        self.timeline = Timeline(self._sightings(), self._makings(), entries[-1].seq if entries else 0)

    def at(self, seq: object) -> JournalEntry | None:
        index = self.index_of.get(seq) if isinstance(seq, int) else None
        return None if index is None else self.entries[index]

    def differences(self, request: Request, entry: JournalEntry) -> list[str]:
        """In words, what the entry has otherwise than was asked."""
        if entry.type not in _types_of(request):
            return [f"a {request.kind} wrote {entry.type}"]
        wanted = {"made_by": request.made_by, "key": request.key} | self._wanted(request, entry)
        written = {"made_by": entry.made_by, "key": entry.key} | self._written(request, entry)
        return [
            f"{name}: asked {wanted[name]!r}, written {written[name]!r}"
            for name in wanted
            if wanted[name] != written[name]
        ]

    def pointed_to(self, event: Event) -> JournalEntry | None:
        """The entry that an acknowledgement speaks of."""
        request, answer = event.request, event.answer
        match request.kind:
            case Kind.CHARGE:
                return self.by_id.get(
                    answer.get("charge_id" if event.outcome is Outcome.DECLINED and not event.is_of_batch else "id", "")
                )
            case Kind.CAPTURE | Kind.VOID | Kind.REFUND:
                entry = self.at(answer.get("seq"))
                # The receipt too: what was lost may have left its seq to another of the same kind.
                return entry if entry is not None and entry.hash == answer.get("receipt") else None
            case Kind.APPROVE | Kind.REJECT | Kind.CANCEL:
                steps = self.lifecycles.requests.get(request.target or "", [])
                types = _types_of(request)
                return next((step.entry for step in steps if step.entry.type in types), None)
            case _:
                return self.by_id.get(answer.get("id", ""))

    def _settle_entries(self) -> None:
        same_key: dict[tuple[str, str], list[Operation]] = defaultdict(list)
        for operation in self.operations:
            key = operation.request.key
            if key is not None:
                same_key[operation.request.side, key].append(operation)
            elif operation.acknowledged:
                operation.entry = self.pointed_to(operation.acknowledged[0])
        for place, operations in same_key.items():
            for entry in self.by_key.get(place, ())[:1]:
                exact = [each for each in operations if not self.differences(each.request, entry)]
                acknowledged = [each for each in operations if each.acknowledged]
                for operation in (exact or acknowledged or operations)[:1]:
                    operation.entry = entry
        self._settle_unanswered()
        for operation in self.operations:
            if operation.entry is not None:
                seq = operation.entry.seq
                is_pair = operation.entry.type == "capture" and seq - 1 in self.lifecycles.partial_voids
                operation.first_seq = seq - 1 if is_pair else seq

    def _settle_unanswered(self) -> None:
        """Operations without key and answer: each may be one of the entries that nobody else has."""
        unanswered = [each for each in self.operations if each.entry is None and each.request.key is None]
        unanswered = [each for each in unanswered if each.unknown]
        if not unanswered:
            return
        taken = {operation.entry.seq for operation in self.operations if operation.entry is not None}
        free: dict[tuple[Any, ...], list[JournalEntry]] = defaultdict(list)
        for entry in reversed(self.entries):
            if entry.seq not in taken and entry.key is None:
                free[_likeness_of(entry)].append(entry)
        for operation in unanswered:
            request = operation.request
            possible: list[JournalEntry] = []
            for type_ in _types_of(request):
                alike = free.get((type_, request.target, request.phone_number), [])
                possible.extend(islice((e for e in reversed(alike) if not self.differences(request, e)), 1))
            if possible:
                operation.entry = min(possible, key=lambda entry: entry.seq)
                free[_likeness_of(operation.entry)].remove(operation.entry)

    def _sightings(self) -> list[tuple[int, int]]:
        sightings = [
            (each.acknowledged_ns, each.entry.seq)
            for each in self.operations
            if each.entry is not None and each.acknowledged_ns is not None
        ]
        for event in self.reads:
            if event.outcome is Outcome.DONE and self.at(event.answer.get("seq")) is not None:
                sightings.append((event.answered_ns, event.answer["seq"]))
        return sightings

    def _makings(self) -> list[tuple[int, int]]:
        return [(each.made_from_ns, each.first_seq) for each in self.operations if each.entry is not None]

    def _wanted(self, request: Request, entry: JournalEntry) -> dict[str, Any]:
        match request.kind:
            case Kind.CHARGE:
                return {
                    "amount": request.amount,
                    "phone_number": request.phone_number,
                    "reference": request.reference,
                    "metadata": request.metadata or {},
                } | ({"expires_in_s": request.expires_in_s or HOLD_DEFAULT_S} if entry.type == "hold" else {})
            case Kind.CAPTURE | Kind.VOID | Kind.REFUND:
                amount = request.amount
                if amount is None:
                    amount = self._all_there_is(request, entry)
                return {"charge": request.target, "amount": amount, "reason": request.note}
            case Kind.APPROVE | Kind.REJECT | Kind.CANCEL:
                return {"credit_request": request.target, "reason": request.note}
            case _:
                return {"amount": request.amount, "reason": request.note}

    def _written(self, request: Request, entry: JournalEntry) -> dict[str, Any]:
        match request.kind:
            case Kind.CHARGE:
                return {
                    "amount": entry.detail_amount("amount") if entry.type == "declined" else -entry.amount,
                    "phone_number": entry.details.get("phone_number"),
                    "reference": entry.details.get("reference"),
                    "metadata": entry.details.get("metadata", {}),
                } | ({"expires_in_s": _expires_in_s(entry)} if entry.type == "hold" else {})
            case Kind.CAPTURE | Kind.VOID | Kind.REFUND:
                amount = -entry.held_change if request.kind is Kind.CAPTURE else entry.amount
                return {"charge": entry.charge_id, "amount": amount, "reason": entry.reason}
            case Kind.APPROVE | Kind.REJECT | Kind.CANCEL:
                return {"credit_request": entry.credit_request_id, "reason": entry.reason}
            case Kind.REQUEST_CREDIT:
                return {"amount": entry.detail_amount("amount"), "reason": entry.reason}
            case _:
                return {"amount": entry.amount, "reason": entry.reason}

    def _all_there_is(self, request: Request, entry: JournalEntry) -> int | None:
        """The amount of a capture, void or refund that named none."""
        before = [step for step in self.lifecycles.charges.get(request.target or "", []) if step.entry.seq < entry.seq]
        return before[-1].amount - before[-1].refunded if before else None


def _types_of(request: Request) -> frozenset[str]:
    if request.kind is Kind.CHARGE:
        return frozenset({"hold" if request.is_hold else "charge", "declined"})
    return ENTRY_TYPES[request.kind]


def _expires_in_s(hold: JournalEntry) -> float:
    return (micros(hold.details["expires_at"]) - hold.at_us) / 1_000_000


def _likeness_of(entry: JournalEntry) -> tuple[str, str | None, object]:
    """What entries and requests without a key are brought together by, before every field is compared: type,
    target and phone number. What opens a charge or a credit request has its own id for a target, so none.
    """
    subject = entry.charge_id or entry.credit_request_id
    return (entry.type, None if subject == entry.id else subject, entry.details.get("phone_number"))
