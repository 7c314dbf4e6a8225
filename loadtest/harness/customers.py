"""The customers: turns an arrival of the schedule into requests, with what has been learned from answers so far.

What is to be captured, voided, refunded or asked again is remembered by seller, within bounds; an arrival that finds
nothing of the kind opens what a later one will find: a hold in place of a capture, a charge in place of a refund.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from loadtest.cast import Admin, Seller
from loadtest.harness.mix import Operation
from loadtest.harness.response import Answer
from loadtest.harness.schedule import Arrival
from loadtest.harness.wire import Message
from loadtest.history import Event, Kind, Outcome, Request
from loadtest.spelling import body_of, spelled

REMEMBERED_MAX: Final = 200
"""Of each seller and kind."""
BATCH_CHARGES: Final = 10


class Asking(Struct, frozen=True, gc=False):
    """What is asked at once: one request; or the charges of a batch."""

    operation: Operation
    requests: tuple[Request, ...]
    message: Message
    seller: int


class Customers:
    def __init__(self, run: str, admin: Admin, sellers: Sequence[Seller]) -> None:
        """`run`: begins every key, as keys are for ever and another run needs others."""
        self._run = run
        self._admin = admin
        self._sellers = sellers
        self._open_holds: list[deque[tuple[str, int]]] = _memory(sellers)
        """(charge id, amount)."""
        self._refundable: list[deque[str]] = _memory(sellers)
        self._keyed: list[deque[Request]] = _memory(sellers)
        self._approvals = 0

    def asking(self, arrival: Arrival) -> Asking:
        """What this arrival asks for."""
        place = arrival.seller
        match arrival.operation:
            case Operation.CAPTURE | Operation.VOID if self._open_holds[place]:
                return self._end_hold(arrival)
            case Operation.HOLD | Operation.CAPTURE | Operation.VOID:
                return self._one(Operation.HOLD, place, self._charge(arrival, is_hold=True))
            case Operation.REFUND if self._refundable[place]:
                target = self._refundable[place].popleft()
                return self._follow(Operation.REFUND, Kind.REFUND, arrival, target, by_admin=True, note="wrong number")
            case Operation.REPEAT if self._keyed[place]:
                known = self._keyed[place]
                return self._one(Operation.REPEAT, place, known[int(arrival.chance * len(known))])
            case Operation.READ:
                return self._one(Operation.READ, place, self._request(Kind.READ_BALANCE, place))
            case Operation.LIST:
                return self._one(Operation.LIST, place, self._request(Kind.LIST_CHARGES, place))
            case Operation.BATCH:
                return self._batch(arrival)
            case Operation.CREDIT:
                key = self._key(arrival)
                asked = self._request(Kind.REQUEST_CREDIT, place, key=key, amount=arrival.amount, note="load test")
                return self._one(Operation.CREDIT, place, asked)
            case _:
                return self._one(Operation.CHARGE, place, self._charge(arrival))

    def answered(self, asking: Asking, events: Sequence[Event]) -> Asking | None:
        """Learns from the answer; what is asked next because of it."""
        event = events[0]
        if event.outcome is not Outcome.DONE or event.is_of_batch:
            return None
        answer, place = event.answer, asking.seller
        match asking.operation:
            case Operation.HOLD:
                self._open_holds[place].append((answer.get("id", ""), event.request.amount or 0))
            case Operation.CHARGE:
                self._refundable[place].append(answer.get("id", ""))
            case Operation.CREDIT:
                self._approvals += 1
                approve = self._request(
                    Kind.APPROVE,
                    place,
                    by_admin=True,
                    key=f"{self._run}-approve-{self._approvals}",
                    target=answer.get("id", ""),
                    amount=event.request.amount,
                    note="seen",
                )
                return self._one(Operation.APPROVE, place, approve)
            case _:
                pass
        return None

    def _end_hold(self, arrival: Arrival) -> Asking:
        target, amount = self._open_holds[arrival.seller].popleft()
        if arrival.operation is Operation.VOID:
            return self._follow(Operation.VOID, Kind.VOID, arrival, target)
        part = max(amount // 3, 1) if arrival.chance < 0.5 else None
        return self._follow(Operation.CAPTURE, Kind.CAPTURE, arrival, target, amount=part)

    def _follow(
        self, operation: Operation, kind: Kind, arrival: Arrival, target: str, *, by_admin: bool = False, **members: Any
    ) -> Asking:
        place = arrival.seller
        request = self._request(kind, place, by_admin=by_admin, key=self._key(arrival), target=target, **members)
        return self._one(operation, place, request)

    def _batch(self, arrival: Arrival) -> Asking:
        charges = tuple(self._charge(arrival, item=item) for item in range(BATCH_CHARGES))
        items = [(body_of(charge) or {}) | {"idempotency_key": charge.key} for charge in charges]
        if not arrival.has_key:
            for item in items:
                del item["idempotency_key"]
        body = msgspec.json.encode({"mode": "independent", "charges": items})
        message = Message("POST", "/v1/charges/batch", self._sellers[arrival.seller].credential, None, body)
        return Asking(Operation.BATCH, charges, message, arrival.seller)

    def _one(self, operation: Operation, place: int, request: Request) -> Asking:
        method, path, body = spelled(request)
        credential = self._admin.token if request.side == "admin" else self._sellers[place].credential
        encoded = None if body is None else msgspec.json.encode(body)
        return Asking(operation, (request,), Message(method, path, credential, request.key, encoded), place)

    def _charge(self, arrival: Arrival, *, is_hold: bool = False, item: int | None = None) -> Request:
        suffix = "" if item is None else f"-{item}"
        request = self._request(
            Kind.CHARGE,
            arrival.seller,
            key=self._key(arrival) + suffix if arrival.has_key else None,
            amount=arrival.amount,
            is_hold=is_hold,
            phone_number=f"+98912{(arrival.number * 10 + (item or 0)) % 10**7:07d}",
            reference=f"order-{arrival.number}{suffix}",
        )
        if request.key is not None:
            self._keyed[arrival.seller].append(request)
        return request

    def _request(self, kind: Kind, place: int, *, by_admin: bool = False, **members: Any) -> Request:
        who = self._sellers[place]
        made_by = self._admin.user_id if by_admin else who.id
        return Request(kind=kind, seller_id=who.id, currency=who.currency, made_by=made_by, **members)

    def _key(self, arrival: Arrival) -> str:
        return f"{self._run}-{arrival.number}"


def events_of(asking: Asking, sent_ns: int, answered_ns: int, answer: Answer | None) -> tuple[Event, ...]:
    """The answer as the history has it: of a batch that was accepted, one event for each of its charges."""
    requests = asking.requests
    if answer is None:
        return tuple(Event(request, sent_ns, answered_ns) for request in requests)
    status, body = answer.status, answer.body
    if asking.operation is not Operation.BATCH:
        return (Event(requests[0], sent_ns, answered_ns, status, answer.is_replay, body),)
    results = _batch_results(body, len(requests)) if status == 200 else None
    if results is None:
        return tuple(Event(request, sent_ns, answered_ns, status, False, body) for request in requests)
    return tuple(
        Event(request, sent_ns, answered_ns, _status_alone(result), False, msgspec.json.encode(result), True)
        for request, result in zip(requests, results, strict=True)
    )


def _batch_results(body: bytes, count: int) -> list[dict[str, Any]] | None:
    """What is said of each charge, without its index; None if that is not one for each, in order."""
    try:
        results = msgspec.json.decode(body)["results"]
        if [result.pop("index") for result in results] != list(range(count)):
            return None
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return None
    return list(results)


def _status_alone(result: dict[str, Any]) -> int:
    """What the charge would have been answered with, had it been sent alone."""
    if result.get("status") != "failed":
        return 201
    return 402 if result.get("code") == "insufficient_credit" else 422


def _memory(sellers: Sequence[Seller]) -> list[deque[Any]]:
    return [deque(maxlen=REMEMBERED_MAX) for _ in sellers]
