"""Batches: up to 10,000 charges in one request.

Independent ones are given to the actor in parts, each in its seller's turn and a few under way at a time, so that a
large batch neither holds the event loop nor goes ahead of other sellers' charges. An atomic one is one command: all of
it, or nothing.
Every item is looked at before the first is sold: a batch with a malformed item is refused as a whole.

Items, commands and results are let go one by one, as they are used: to free ten thousand with their metadata at once
takes ten milliseconds.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final, TypeAlias

from aiohttp import web

from actors.account import SUSPENDED
from actors.batches import SLICE
from actors.commands import Caller, Charge, ChargeMany, Done, ManyDone, Outcome, Refusal
from actors.directory import Directory
from journal.entry import EntryType
from journal.projections import ChargeStatus
from journal.store import OutcomeUnknown
from service import amounts, answers, phone
from service.admission import Admission
from service.handlers.charges import command_of, faults_of
from service.handlers.outcomes import FAULTS, refused
from service.handlers.scope import Scope
from service.http import responses
from service.http.decode import LARGE_BODY_SIZE_MAX
from service.http.decode_list import ListBodyDecoder
from service.http.headers import IDEMPOTENCY_KEY
from service.http.json_response import JsonResponse
from service.identity.credentials import Principal
from service.problems import KEY_FIELD, FieldError, Problem, ProblemCode, invalid
from service.turnstile import ENTRIES_PER_TURN, Turnstile
from service.wire import answers as wire
from service.wire import requests

PART: Final = ENTRIES_PER_TURN
"""Charges that are let in together and decided in one step. With four times as many, others wait twice as long behind
batches, and nothing is sold faster."""
PARTS_UNDER_WAY_MAX: Final = 8
"""As many as one flush takes."""
ERRORS_SHOWN_MAX: Final = 100
ANSWERS_SLICE: Final = 512
"""Results put into words before the event loop is let go: about a millisecond."""

_Results: TypeAlias = deque[Done | Refusal]
"""One for each charge, in order."""


class BatchHandlers:
    def __init__(
        self,
        directory: Directory,
        turnstile: Turnstile,
        admission: Admission,
        scope: Scope,
        default_region: str | None,
    ) -> None:
        self._directory = directory
        self._turnstile = turnstile
        self._admission = admission
        self._scope = scope
        self._default_region = default_region
        self._body = ListBodyDecoder(
            requests.CreateBatch,
            requests.OuterBatch,
            "charges",
            requests.BatchCharge,
            size_max=LARGE_BODY_SIZE_MAX,
        )

    async def create(self, request: web.Request, principal: Principal) -> JsonResponse:
        seller_id = principal.seller_id
        assert seller_id is not None
        if IDEMPOTENCY_KEY in request.headers:
            raise invalid(KEY_FIELD, "A batch has no key of its own; its charges have.")
        received = await self._body.received(request)
        # A body may be megabytes: before it costs anything, it waits for a turn.
        await self._turn(request, seller_id, ENTRIES_PER_TURN)
        body = await self._body.decode_in_slices(received)
        currency = await self._scope.currency_of(seller_id)
        charges = await self._charges(body, principal, currency)
        caller = Caller(principal.user_id, principal.role == "admin")
        if body.mode == "atomic":
            await self._turn(request, seller_id, len(charges))
            results = await self._sell_together(seller_id, caller, charges, currency)
        else:
            results = await self._sell_in_parts(request, seller_id, caller, charges)
            if all(each == SUSPENDED for each in results):
                raise refused(SUSPENDED, currency)
        return responses.answer(await _answer(results, await self._balance(seller_id, currency, results)))

    async def _turn(self, request: web.Request, seller_id: str, entries: int) -> None:
        """For a batch that has not begun; one that has is finished, whatever becomes of its sender."""
        await self._turnstile.turn(seller_id, entries)
        await self._admission.again(request)

    async def _charges(self, body: requests.CreateBatch, principal: Principal, currency: str) -> deque[Charge]:
        """The commands. Raises a 422 that names every item at fault, up to a number."""
        charges: deque[Charge] = deque()
        errors: list[FieldError] = []
        items = deque(body.charges)
        body.charges.clear()
        for index in range(len(items)):
            item = items.popleft()
            amount = amounts.read(item.amount, currency)
            number = phone.normalize(item.phone_number, self._default_region)
            if amount is None or number is None:
                errors += faults_of(amount, number, currency, f"charges.{index}.")
            else:
                charges.append(command_of(principal, item.idempotency_key, item, number, amount))
            if index % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        if errors:
            raise Problem(ProblemCode.VALIDATION_FAILED, errors=errors[:ERRORS_SHOWN_MAX])
        return charges

    async def _sell_together(self, seller_id: str, caller: Caller, charges: deque[Charge], currency: str) -> _Results:
        outcome = await self._directory.ask(seller_id, ChargeMany(caller, tuple(charges), True))
        if isinstance(outcome, Refusal):
            raise refused(outcome, currency, key_field="charges")
        assert isinstance(outcome, ManyDone)
        return deque(outcome.results)

    async def _sell_in_parts(
        self, request: web.Request, seller_id: str, caller: Caller, charges: deque[Charge]
    ) -> _Results:
        """What became of each charge. After a part that fails, by a bug too, no further one is begun, and those under
        way are waited for."""
        results: _Results = deque()
        faults: list[Exception] = []
        under_way: deque[asyncio.Future[Outcome]] = deque()
        for number, part in enumerate(_parts(charges)):
            if number == 0:
                await self._turn(request, seller_id, len(part))
            else:
                await self._turnstile.turn(seller_id, len(part))
            try:
                command = ChargeMany(caller, part, False)
                under_way.append(self._directory.ask(seller_id, command, has_begun=number > 0))
            except FAULTS as fault:
                faults.append(fault)
            if len(under_way) >= PARTS_UNDER_WAY_MAX:
                await _finish(under_way, results, faults)
            if faults:
                break
        while under_way:
            await _finish(under_way, results, faults)
        if faults:
            raise _fault_of_all(results, faults)
        return results

    async def _balance(self, seller_id: str, currency: str, results: _Results) -> wire.Balances:
        """The present one. If it cannot be had any more, as when the service stops: the one after the last charge that
        was sold, for what was sold must not be answered by an error. Where all were repeats nothing was sold now, and
        the balances after them may be months old: then the fault is the answer."""
        try:
            account = await self._scope.settled(seller_id)
            return answers.balances(account.available, account.held, currency)
        except FAULTS as caught:
            fault: Exception = caught
        entries = [result.entry for result in results if isinstance(result, Done) and not result.is_replay]
        if not entries:
            raise _fault_of_all(results, [fault])
        last = max(entries, key=lambda entry: entry.seq)
        return answers.balances(last.available_after, last.held_after, currency)


def _parts(charges: deque[Charge]) -> Iterator[tuple[Charge, ...]]:
    while charges:
        yield tuple(charges.popleft() for _ in range(min(PART, len(charges))))


async def _finish(under_way: deque[asyncio.Future[Outcome]], results: _Results, faults: list[Exception]) -> None:
    """Waits for the oldest part, and adds what became of it."""
    try:
        outcome = await under_way.popleft()
        assert isinstance(outcome, ManyDone)
        results.extend(outcome.results)
    except FAULTS as fault:
        faults.append(fault)


def _fault_of_all(results: _Results, faults: list[Exception]) -> Exception:
    """If anything was applied, or may have been, the outcome of the whole is unknown: the client asks again with the
    same keys, and what was sold is replayed. Otherwise the first fault says why nothing was."""
    is_unknown = any(isinstance(each, Done) for each in results) or any(
        isinstance(fault, OutcomeUnknown) for fault in faults
    )
    return OutcomeUnknown(str(faults[0])) if is_unknown else faults[0]


async def _answer(results: _Results, balance: wire.Balances) -> wire.Batch:
    shown: list[wire.BatchResult] = []
    for index in range(len(results)):
        shown.append(_result(index, results.popleft()))
        if index % ANSWERS_SLICE == ANSWERS_SLICE - 1:
            await asyncio.sleep(0)
    failed = sum(each.status == ChargeStatus.FAILED for each in shown)
    await asyncio.sleep(0)
    return wire.Batch(completed=len(shown) - failed, failed=failed, results=shown, balance=balance)


def _result(index: int, result: Done | Refusal) -> wire.BatchResult:
    if isinstance(result, Refusal):
        return wire.BatchResult(index, ChargeStatus.FAILED, None, result.code.value)
    entry = result.entry
    match entry.type:
        case EntryType.CHARGE:
            return wire.BatchResult(index, ChargeStatus.COMPLETED, entry.id, None)
        case EntryType.HOLD:
            return wire.BatchResult(index, ChargeStatus.PENDING, entry.id, None)
        case _:
            assert entry.type is EntryType.DECLINED
            return wire.BatchResult(index, ChargeStatus.FAILED, entry.id, answers.failure_code(entry))
