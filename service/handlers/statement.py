"""Statements: what became of the available credit between two times."""

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
from service.identity.instants import NowUs
from service.identity.sellers import Sellers
from service.problems import invalid, not_found
from service.wire import answers as wire
from service.wire import queries


class StatementHandlers:
    def __init__(self, reader: Reader, sellers: Sellers, scope: Scope, now_us: NowUs) -> None:
        self._reader = reader
        self._sellers = sellers
        self._scope = scope
        self._now_us = now_us
        self._query = QueryDecoder(queries.Statement)

    async def get(self, request: web.Request, principal: Principal) -> JsonResponse:
        """Without `from` since the seller was created; without `to` up to now, the newest entry included, or, where the
        period begins later than that, to its beginning: nothing has become of the credit yet."""
        query = self._query.read(request)
        seller_id = await self._scope.one(principal, query.seller_id)
        account = await self._scope.settled(seller_id)
        seller = await self._sellers.find(seller_id)
        if seller is None:
            raise not_found()
        until_now_us = max(self._now_us(), account.at_us) + 1
        to_us = query.to_us if query.to_us is not None else max(until_now_us, query.from_us or 0)
        from_us = query.from_us if query.from_us is not None else min(seller.created_at_us, to_us)
        if from_us > to_us:
            raise invalid("to", "Must not be earlier than `from`.")
        found = await self._reader.statement(seller_id, from_us, to_us)
        if found is None:
            raise not_found()
        currency = found.currency
        return responses.answer(
            wire.Statement(
                seller_id=seller_id,
                currency=currency,
                from_=format_time(from_us),
                to=format_time(to_us),
                opening_balance=format_minor(found.opening_balance, currency),
                closing_balance=format_minor(found.closing_balance, currency),
                entries=found.entries,
                totals=answers.totals(found.totals, currency),
            )
        )
