"""Transactions: the journal as it stands, entry by entry, in pages or as one CSV."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from aiohttp import hdrs, web

from journal.reader import PostedEntry, Reader
from service import answers, csv_cells
from service.admission import Admission
from service.endpoint import ID_OF_REQUEST
from service.handlers.pages import page
from service.handlers.scope import Scope
from service.http import responses
from service.http.cursors import CursorFormat, CursorInt
from service.http.json_response import REQUEST_ID, JsonResponse
from service.http.query import QueryDecoder, path_id
from service.identity.credentials import Principal
from service.problems import Problem, not_found
from service.wire import answers as wire
from service.wire import queries

log = logging.getLogger(__name__)

_CURSORS: Final = CursorFormat("transactions", tuple[CursorInt])
_CONTENT_TYPE: Final = "text/csv; charset=utf-8; header=present"
_ROWS_PER_WRITE: Final = 100
"""About two milliseconds of work; then others get their turn."""


class TransactionHandlers:
    def __init__(self, reader: Reader, scope: Scope, admission: Admission) -> None:
        self._reader = reader
        self._admission = admission
        self._scope = scope
        self._query = QueryDecoder(queries.Transactions)
        self._of_seller = QueryDecoder(queries.OfSeller)
        self._csv_query = QueryDecoder(queries.TransactionsCsv)

    async def list(self, request: web.Request, principal: Principal) -> JsonResponse:
        query = self._query.read(request)
        seller_id = await self._whose(principal, query)
        filters = (seller_id, query.type, query.charge_id, query.from_us, query.to_us)
        before = _CURSORS.decode(query.cursor, filters)[0] if query.cursor is not None else None
        found = await self._reader.transactions(
            seller_id=seller_id,
            type=query.type,
            charge_id=query.charge_id,
            from_us=query.from_us,
            to_us=query.to_us,
            before=before,
            limit=query.limit + 1,
        )
        return responses.answer(
            page(found, query.limit, _transaction, lambda one: _CURSORS.encode((one.key,), filters))
        )

    async def get(self, request: web.Request, principal: Principal) -> JsonResponse:
        entry_id = path_id(request)
        seller_id = await self._scope.owner_of(principal, entry_id, self._of_seller.read(request).seller_id)
        await self._scope.settled(seller_id)
        found = await self._reader.transaction(seller_id, entry_id)
        if found is None:
            raise not_found()
        return responses.answer(_transaction(found))

    async def export(self, request: web.Request, principal: Principal) -> web.StreamResponse:
        """Oldest first, up to what there was when it began; read and written in small pieces, each of them only while
        the credential is in force: it may take hours, and its client decides how many."""
        query = self._csv_query.read(request)
        seller_id = await self._whose(principal, query)
        chunks = self._reader.export(
            seller_id=seller_id,
            type=query.type,
            charge_id=query.charge_id,
            from_us=query.from_us,
            to_us=query.to_us,
        )
        response = responses.stream(
            _CONTENT_TYPE,
            {
                hdrs.CONTENT_DISPOSITION: 'attachment; filename="transactions.csv"',
                REQUEST_ID: request[ID_OF_REQUEST],
            },
        )
        if request.method == hdrs.METH_HEAD:
            return response
        # The first piece is read before the head is sent: until then a fault can still be told as one.
        first: list[PostedEntry] = await anext(chunks, [])
        await response.prepare(request)
        try:
            await response.write(csv_cells.row([*wire.Transaction.__struct_fields__]).encode())
            await self._write(request, response, first)
            async for chunk in chunks:
                await self._write(request, response, chunk)
        except ConnectionError:
            pass  # The client has gone.
        except Exception as fault:
            # A status can be told no more, but the end of the stream can be withheld.
            told = {"request_id": request[ID_OF_REQUEST]}
            if isinstance(fault, Problem):
                log.info("export_ended_with_credential", extra=told)
            else:
                log.exception("export_cut_short", extra=told)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _write(self, request: web.Request, response: web.StreamResponse, chunk: Sequence[PostedEntry]) -> None:
        """Raises a 401, or what `Admission.load` does, once the credential is not in force any more."""
        for start in range(0, len(chunk), _ROWS_PER_WRITE):
            if self._admission.known(request) is None:
                await self._admission.load(request)
            rows = [_row(posted) for posted in chunk[start : start + _ROWS_PER_WRITE]]
            await response.write("".join(rows).encode())
            await asyncio.sleep(0)

    async def _whose(self, principal: Principal, query: queries.TransactionsCsv) -> str | None:
        """The seller that the list is about, settled; None for all of them."""
        seller_id = await self._scope.chosen(principal, query.seller_id)
        if seller_id is None and query.charge_id is not None:
            seller_id = await self._scope.owner_of(principal, query.charge_id)
        if seller_id is not None:
            await self._scope.settled(seller_id)
        return seller_id


def _transaction(posted: PostedEntry) -> wire.Transaction:
    return answers.transaction(posted.entry, posted.position, posted.currency)


def _row(posted: PostedEntry) -> str:
    """The members of a Transaction in their order."""
    shown = _transaction(posted)
    return csv_cells.row(
        [
            shown.id,
            shown.seller_id,
            str(shown.seq),
            str(shown.position),
            shown.type,
            shown.amount,
            shown.held_change,
            shown.currency,
            shown.debit_account or "",
            shown.credit_account or "",
            shown.available_after,
            shown.held_after,
            shown.charge_id or "",
            shown.credit_request_id or "",
            shown.made_by,
            csv_cells.guarded(shown.reason),
            csv_cells.guarded_json(bytes(shown.details).decode()),
            shown.previous_hash,
            shown.hash,
            shown.created_at,
        ]
    )
