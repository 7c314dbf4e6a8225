"""Credit requests: a seller asks, admins approve or reject, the seller may cancel."""

from typing import Final, Literal

from aiohttp import web

from actors.commands import DecideCredit, RequestCredit
from actors.directory import Directory
from journal.reader import Reader, SubjectRecord
from service import amounts, answers
from service.handlers.callers import caller_of
from service.handlers.outcomes import done
from service.handlers.pages import page
from service.handlers.scope import Scope
from service.http import responses
from service.http.cursors import CursorFormat, CursorId, CursorInt
from service.http.decode import BodyDecoder
from service.http.json_response import JsonResponse
from service.http.query import QueryDecoder, path_id
from service.identity.credentials import Principal
from service.problems import not_found
from service.wire import answers as wire
from service.wire import queries, requests

_CURSORS: Final = CursorFormat("credit-requests", tuple[CursorInt | CursorId])


class CreditRequestHandlers:
    def __init__(self, directory: Directory, reader: Reader, scope: Scope) -> None:
        self._directory = directory
        self._reader = reader
        self._scope = scope
        self._create = BodyDecoder(requests.CreateCreditRequest)
        self._decide = BodyDecoder(requests.DecideCreditRequest, may_be_absent=True)
        self._nothing = BodyDecoder(requests.Nothing, may_be_absent=True)
        self._query = QueryDecoder(queries.CreditRequests)
        self._of_seller = QueryDecoder(queries.OfSeller)

    async def create(self, request: web.Request, principal: Principal) -> JsonResponse:
        assert principal.seller_id is not None
        body = await self._create.read(request)
        currency = await self._scope.currency_of(principal.seller_id)
        amount = amounts.required(body.amount, currency)
        caller = caller_of(request, principal, "credit_request", None, amount, body.note)
        outcome = await self._directory.ask(principal.seller_id, RequestCredit(caller, amount, body.note))
        made = done(outcome, currency)
        return responses.answer(answers.credit_request(made), 201, is_replay=made.is_replay)

    async def get(self, request: web.Request, principal: Principal) -> JsonResponse:
        request_id = path_id(request)
        seller_id = await self._scope.owner_of(principal, request_id, self._of_seller.read(request).seller_id)
        await self._scope.settled(seller_id)
        found = await self._reader.credit_request(seller_id, request_id)
        if found is None:
            raise not_found()
        return responses.answer(_credit_request(found))

    async def list(self, request: web.Request, principal: Principal) -> JsonResponse:
        query = self._query.read(request)
        seller_id = await self._scope.chosen(principal, query.seller_id)
        filters = (seller_id, query.status)
        before = _CURSORS.decode(query.cursor, filters)[0] if query.cursor is not None else None
        if seller_id is not None:
            await self._scope.settled(seller_id)
        found = await self._reader.credit_requests(
            seller_id=seller_id, status=query.status, before=before, limit=query.limit + 1
        )
        return responses.answer(
            page(found, query.limit, _credit_request, lambda one: _CURSORS.encode((one.key,), filters))
        )

    async def approve(self, request: web.Request, principal: Principal) -> JsonResponse:
        request_id = path_id(request)
        body = await self._decide.read(request)
        return await self._decided(request, principal, request_id, "approve", body.note)

    async def reject(self, request: web.Request, principal: Principal) -> JsonResponse:
        request_id = path_id(request)
        body = await self._decide.read(request)
        return await self._decided(request, principal, request_id, "reject", body.note)

    async def cancel(self, request: web.Request, principal: Principal) -> JsonResponse:
        request_id = path_id(request)
        await self._nothing.read(request)
        return await self._decided(request, principal, request_id, "cancel", None)

    async def _decided(
        self,
        request: web.Request,
        principal: Principal,
        request_id: str,
        decision: Literal["approve", "reject", "cancel"],
        note: str | None,
    ) -> JsonResponse:
        seller_id = await self._scope.owner_of(principal, request_id)
        currency = await self._scope.currency_of(seller_id)
        caller = caller_of(request, principal, decision, request_id, note)
        outcome = await self._directory.ask(seller_id, DecideCredit(caller, request_id, decision, note))
        decided = done(outcome, currency)
        return responses.answer(answers.credit_request(decided), is_replay=decided.is_replay)


def _credit_request(found: SubjectRecord) -> wire.CreditRequest:
    return answers.credit_request_as_of(found.opening, found.last, found.currency)
