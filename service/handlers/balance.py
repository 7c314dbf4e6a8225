"""Balances: now, from the actor; as of a former time, from the journal."""

from aiohttp import web

from journal.money import format_minor
from journal.reader import Reader
from journal.times import format_time
from service import answers
from service.handlers.scope import Scope
from service.http import responses
from service.http.json_response import JsonResponse
from service.http.query import QueryDecoder
from service.identity.credentials import Principal
from service.wire import answers as wire
from service.wire import queries


class BalanceHandlers:
    def __init__(self, reader: Reader, scope: Scope) -> None:
        self._reader = reader
        self._scope = scope
        self._query = QueryDecoder(queries.Balance)

    async def get(self, request: web.Request, principal: Principal) -> JsonResponse:
        query = self._query.read(request)
        seller_id = await self._scope.one(principal, query.seller_id)
        account = await self._scope.settled(seller_id)
        if query.at is None or query.at >= account.seen_at_us:
            return responses.answer(answers.balance(account))
        last = await self._reader.balance_at(seller_id, query.at)
        if last is not None:
            return responses.answer(answers.balance_after(last, account.currency, query.at))
        zero = format_minor(0, account.currency)
        return responses.answer(wire.Balance(seller_id, account.currency, zero, zero, zero, 0, format_time(query.at)))
