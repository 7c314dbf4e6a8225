"""An operation: everything that was sent with one meaning under one key, which may have happened once.

Events without a key are operations of their own. The same key with another meaning is another operation,
which the service must refuse once the first is remembered.
"""

from collections.abc import Iterable

from loadtest.entries import JournalEntry
from loadtest.history import ACKNOWLEDGED, READS, Event, Kind, Outcome, Request


class Operation:
    """`entry` is its place in the journal, set by the case; None when it has none."""

    __slots__ = ("acknowledged", "entry", "events", "first_seq", "not_applied", "refused", "request", "unknown")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.events: list[Event] = []
        self.acknowledged: list[Event] = []
        self.refused: list[Event] = []
        self.not_applied: list[Event] = []
        self.unknown: list[Event] = []
        self.entry: JournalEntry | None = None
        self.first_seq = 0
        """Of the first entry it wrote: a partial capture writes two."""

    def take(self, event: Event) -> None:
        self.events.append(event)
        outcome = event.outcome
        if outcome in ACKNOWLEDGED:
            self.acknowledged.append(event)
        elif outcome is Outcome.REFUSED:
            self.refused.append(event)
        elif outcome is Outcome.NOT_APPLIED:
            self.not_applied.append(event)
        else:
            self.unknown.append(event)

    @property
    def acknowledged_ns(self) -> int | None:
        """When it was first known to have happened."""
        return min((event.answered_ns for event in self.acknowledged), default=None)

    @property
    def made_from_ns(self) -> int:
        """It cannot have happened before this: when the attempt was sent that did it, as far as that is known."""
        made = [event for event in self.acknowledged if not event.is_replay and not event.is_of_batch]
        possible = self.unknown + [event for event in self.acknowledged if event.is_of_batch]
        return min(event.sent_ns for event in made or possible or self.events)


def operations_of(events: Iterable[Event]) -> list[Operation]:
    """One seller's events, reads and changes of its limit left out."""
    operations: list[Operation] = []
    by_key: dict[tuple[str, str], list[Operation]] = {}
    for event in events:
        request = event.request
        if request.kind in READS or request.kind is Kind.SET_LIMIT:
            continue
        same_key = by_key.setdefault((request.side, request.key), []) if request.key is not None else []
        for operation in same_key:
            if operation.request == request:
                break
        else:
            operation = Operation(request)
            operations.append(operation)
            same_key.append(operation)
        operation.take(event)
    return operations
