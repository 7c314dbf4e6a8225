"""Charges: sold at once or held, captured, voided, refunded, found again.

`create` is the hot path: one decode, one question to the actor, one encode.
"""

from typing import Final

from aiohttp import web
from msgspec import UNSET, Raw, UnsetType

from actors.commands import Caller, Capture, Charge, Command, Refund, Void
from actors.directory import Directory
from journal.reader import Reader, SubjectRecord
from service import amounts, answers, phone
from service.handlers.callers import caller_of
from service.handlers.outcomes import done
from service.handlers.pages import page
from service.handlers.scope import Scope
from service.http import responses
from service.http.cursors import CursorFormat, CursorId, CursorInt
from service.http.decode import BodyDecoder
from service.http.headers import idempotency_key
from service.http.json_response import JsonResponse
from service.http.query import QueryDecoder, path_id
from service.identity.credentials import Principal
from service.meaning import canonical_metadata, request_hash
from service.problems import FieldError, Problem, ProblemCode, invalid, not_found
from service.wire import answers as wire
from service.wire import queries, requests

EXPIRES_IN_S: Final = 900
NOT_A_PHONE_NUMBER: Final = "Expected a possible mobile number in E.164, as +15550100001."

_CURSORS: Final = CursorFormat("charges", tuple[CursorInt | CursorId])


class ChargeHandlers:
    def __init__(self, directory: Directory, reader: Reader, scope: Scope, default_region: str | None) -> None:
        """`default_region`: of phone numbers without a calling code."""
        self._directory = directory
        self._reader = reader
        self._scope = scope
        self._default_region = default_region
        self._create = BodyDecoder(requests.CreateCharge)
        self._capture = BodyDecoder(requests.CaptureCharge, may_be_absent=True)
        self._void = BodyDecoder(requests.Nothing, may_be_absent=True)
        self._refund = BodyDecoder(requests.RefundCharge)
        self._query = QueryDecoder(queries.Charges)
        self._of_seller = QueryDecoder(queries.OfSeller)

    async def create(self, request: web.Request, principal: Principal) -> JsonResponse:
        seller_id = principal.seller_id
        assert seller_id is not None
        body = self._create.read_at_hand(request) or await self._create.read(request)
        currency = self._scope.known_currency_of(seller_id) or await self._scope.currency_of(seller_id)
        amount = amounts.read(body.amount, currency)
        number = phone.normalize(body.phone_number, self._default_region)
        if amount is None or number is None:
            raise Problem(ProblemCode.VALIDATION_FAILED, errors=faults_of(amount, number, currency))
        command = command_of(principal, idempotency_key(request), body, number, amount)
        made = done(await self._directory.ask(seller_id, command), currency)
        return responses.answer(answers.charge(made), 201, is_replay=made.is_replay)

    async def capture(self, request: web.Request, principal: Principal) -> JsonResponse:
        charge_id = path_id(request)
        seller_id = await self._scope.owner_of(principal, charge_id)
        body = await self._capture.read(request)
        currency = await self._scope.currency_of(seller_id)
        amount = _amount_or_all(body.amount, currency)
        caller = caller_of(request, principal, "capture", charge_id, amount)
        return await self._answer(seller_id, currency, Capture(caller, charge_id, amount))

    async def void(self, request: web.Request, principal: Principal) -> JsonResponse:
        charge_id = path_id(request)
        seller_id = await self._scope.owner_of(principal, charge_id)
        await self._void.read(request)
        caller = caller_of(request, principal, "void", charge_id)
        return await self._answer(seller_id, await self._scope.currency_of(seller_id), Void(caller, charge_id))

    async def refund(self, request: web.Request, principal: Principal) -> JsonResponse:
        charge_id = path_id(request)
        seller_id = await self._scope.owner_of(principal, charge_id)
        body = await self._refund.read(request)
        currency = await self._scope.currency_of(seller_id)
        amount = _amount_or_all(body.amount, currency)
        caller = caller_of(request, principal, "refund", charge_id, amount, body.reason)
        return await self._answer(seller_id, currency, Refund(caller, charge_id, amount, body.reason))

    async def get(self, request: web.Request, principal: Principal) -> JsonResponse:
        charge_id = path_id(request)
        seller_id = await self._scope.owner_of(principal, charge_id, self._of_seller.read(request).seller_id)
        await self._scope.settled(seller_id)
        found = await self._reader.charge(seller_id, charge_id)
        if found is None:
            raise not_found()
        return responses.answer(_charge(found))

    async def list(self, request: web.Request, principal: Principal) -> JsonResponse:
        query = self._query.read(request)
        number = self._number_looked_for(query.phone_number)
        seller_id = await self._scope.chosen(principal, query.seller_id)
        filters = (seller_id, query.status, number, query.reference, query.idempotency_key, query.from_us, query.to_us)
        before = _CURSORS.decode(query.cursor, filters)[0] if query.cursor is not None else None
        if seller_id is not None:
            await self._scope.settled(seller_id)
        found = await self._reader.charges(
            seller_id=seller_id,
            status=query.status,
            phone_number=number,
            reference=query.reference,
            idempotency_key=query.idempotency_key,
            from_us=query.from_us,
            to_us=query.to_us,
            before=before,
            limit=query.limit + 1,
        )
        return responses.answer(page(found, query.limit, _charge, lambda one: _CURSORS.encode((one.key,), filters)))

    def _number_looked_for(self, text: str | None) -> str | None:
        if text is None:
            return None
        # A plus sign that was not escaped has come as a space.
        number = phone.normalize(f"+{text[1:]}" if text.startswith(" ") else text, self._default_region)
        if number is None:
            raise invalid("phone_number", NOT_A_PHONE_NUMBER)
        return number

    async def _answer(self, seller_id: str, currency: str, command: Command) -> JsonResponse:
        changed = done(await self._directory.ask(seller_id, command), currency)
        return responses.answer(answers.charge(changed), is_replay=changed.is_replay)


def _charge(found: SubjectRecord) -> wire.Charge:
    return answers.charge_as_of(found.opening, found.last, found.currency)


def _amount_or_all(raw: Raw | UnsetType, currency: str) -> int | None:
    return None if raw is UNSET else amounts.required(raw, currency)


def command_of(principal: Principal, key: str | None, body: requests.CreateCharge, number: str, amount: int) -> Charge:
    """The same command, under the same meaning, whether it comes alone or in a batch. The order of what is hashed
    stands in the journal for ever: never change it (`service.meaning`)."""
    reference = body.reference
    metadata = canonical_metadata(body.metadata)
    expires_in_s = None if body.capture else body.expires_in or EXPIRES_IN_S
    meaning = None
    if key is not None:
        meaning = request_hash("charge", None, number, amount, expires_in_s, reference, metadata)
    caller = Caller(principal.user_id, principal.role == "admin", key, meaning)
    return Charge(caller, number, amount, reference, metadata, expires_in_s)


def faults_of(amount: int | None, number: str | None, currency: str, path: str = "") -> list[FieldError]:
    """Both at once, where there are both. `path`: of the charge within the body."""
    faults = []
    if number is None:
        faults.append(FieldError(f"{path}phone_number", NOT_A_PHONE_NUMBER))
    if amount is None:
        faults.append(FieldError(f"{path}amount", amounts.requirement(currency)))
    return faults
