"""Batches: up to 10,000 charges in one request.

Independent ones are given to the actor in parts, each in its seller's turn and a few under way at a time, so that a
large batch neither holds the event loop nor goes ahead of other sellers' charges. An atomic one is one command: all of
it, or nothing.
Every item is looked at before the first is sold: a batch with a malformed item is refused as a whole.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final

from aiohttp import web

from actors.actor import SLICE
from actors.commands import AccountView, Caller, Charge, ChargeMany, Done, ManyDone, Outcome, Refusal, Settle
from actors.directory import Directory, Draining, Overloaded, RateLimited
from journal.entry import EntryType
from journal.money import format_minor
from journal.projections import ChargeStatus
from journal.store import JournalFault, OutcomeUnknown
from service import amounts, answers, phone, responses
from service.decode import BodyDecoder
from service.handlers.charges import EXPIRES_IN_S, NOT_A_PHONE_NUMBER
from service.handlers.outcomes import refused, view
from service.handlers.scope import Scope
from service.headers import IDEMPOTENCY_KEY
from service.identity.credentials import Principal
from service.json_response import JsonResponse
from service.meaning import canonical_metadata, request_hash
from service.problems import KEY_FIELD, FieldError, Problem, ProblemCode, invalid
from service.turnstile import ENTRIES_PER_TURN, Turnstile
from service.wire import answers as wire
from service.wire import requests

BODY_SIZE_MAX: Final = 4 * 1024 * 1024
PART: Final = 250
"""Charges that are let in together and decided in one step: some two milliseconds."""
PARTS_UNDER_WAY_MAX: Final = 4
ERRORS_SHOWN_MAX: Final = 100


class BatchHandlers:
    def __init__(self, directory: Directory, turnstile: Turnstile, scope: Scope, default_region: str | None) -> None:
        self._directory = directory
        self._turnstile = turnstile
        self._scope = scope
        self._default_region = default_region
        self._body = BodyDecoder(requests.CreateBatch, size_max=BODY_SIZE_MAX)

    async def create(self, request: web.Request, principal: Principal) -> JsonResponse:
        seller_id = principal.seller_id
        assert seller_id is not None
        if IDEMPOTENCY_KEY in request.headers:
            raise invalid(KEY_FIELD, "A batch has no key of its own; its charges have.")
        # One body of megabytes is decoded in a turn.
        await self._turnstile.turn(seller_id, ENTRIES_PER_TURN)
        body = await self._body.read(request)
        currency = await self._scope.currency_of(seller_id)
        charges = await self._charges(body, principal, currency)
        caller = Caller(principal.user_id, principal.role == "admin")
        if body.mode == "atomic":
            await self._turnstile.turn(seller_id, len(charges))
            outcome = await self._directory.ask(seller_id, ChargeMany(caller, tuple(charges), True))
            if isinstance(outcome, Refusal):
                raise refused(outcome, currency, key_field="charges")
            results = _results_of(outcome)
        else:
            results = await self._sell_in_parts(seller_id, caller, charges)
        account = view(await self._directory.ask(seller_id, Settle()), currency)
        return responses.answer(_answer(results, account))

    async def _charges(self, body: requests.CreateBatch, principal: Principal, currency: str) -> list[Charge]:
        """The commands. Raises a 422 that names every item at fault, up to a number."""
        charges: list[Charge] = []
        errors: list[FieldError] = []
        for index, item in enumerate(body.charges):
            amount = amounts.read(item.amount, currency)
            number = phone.normalize(item.phone_number, self._default_region)
            if number is None:
                errors.append(FieldError(f"charges.{index}.phone_number", NOT_A_PHONE_NUMBER))
            if amount is None:
                errors.append(FieldError(f"charges.{index}.amount", amounts.requirement(currency)))
            if number is not None and amount is not None:
                charges.append(_charge(item, principal, number, amount))
            if index % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        if errors:
            raise Problem(ProblemCode.VALIDATION_FAILED, errors=errors[:ERRORS_SHOWN_MAX])
        return charges

    async def _sell_in_parts(self, seller_id: str, caller: Caller, charges: list[Charge]) -> list[Done | Refusal]:
        """What became of each charge. A fault is that of its part; the parts after it are not begun."""
        results: list[Done | Refusal] = []
        under_way: deque[asyncio.Future[Outcome]] = deque()
        fault: Exception | None = None
        for part in _parts(charges):
            try:
                await self._turnstile.turn(seller_id, len(part))
                under_way.append(self._directory.ask(seller_id, ChargeMany(caller, part, False)))
            except (JournalFault, RateLimited, Overloaded, Draining) as error:
                fault = error
            if len(under_way) >= PARTS_UNDER_WAY_MAX:
                fault = await _finish(under_way, results)
            if fault is not None:
                break
        while under_way:
            fault = await _finish(under_way, results) or fault
        if fault is not None:
            # Some of it may be sold. The client asks again with the same keys, and what was sold is replayed.
            raise OutcomeUnknown(str(fault)) if results else fault
        return results


def _charge(item: requests.BatchCharge, principal: Principal, number: str, amount: int) -> Charge:
    """The same command, under the same meaning, as if the charge had been sent alone."""
    metadata = canonical_metadata(item.metadata)
    expires_in_s = None if item.capture else item.expires_in or EXPIRES_IN_S
    key = item.idempotency_key
    meaning = None
    if key is not None:
        meaning = request_hash("charge", None, number, amount, expires_in_s, item.reference, metadata)
    caller = Caller(principal.user_id, principal.role == "admin", key, meaning)
    return Charge(caller, number, amount, item.reference, metadata, expires_in_s)


def _parts(charges: list[Charge]) -> Iterator[tuple[Charge, ...]]:
    for start in range(0, len(charges), PART):
        yield tuple(charges[start : start + PART])


async def _finish(under_way: deque[asyncio.Future[Outcome]], results: list[Done | Refusal]) -> Exception | None:
    """Waits for the oldest part; the fault that it ended with, if any."""
    try:
        results.extend(_results_of(await under_way.popleft()))
    except JournalFault as fault:
        return fault
    return None


def _results_of(outcome: Outcome) -> list[Done | Refusal]:
    assert isinstance(outcome, ManyDone)
    return list(outcome.results)


def _answer(results: list[Done | Refusal], account: AccountView) -> wire.Batch:
    shown = [_result(index, result) for index, result in enumerate(results)]
    failed = sum(each.status == ChargeStatus.FAILED for each in shown)
    currency = account.currency
    balance = wire.Balances(format_minor(account.available, currency), format_minor(account.held, currency))
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
