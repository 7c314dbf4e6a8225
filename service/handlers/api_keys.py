"""A seller's API keys: the secret is shown once, when the key is made."""

from typing import Final

from aiohttp import web

from journal.times import format_time
from service.admission import Admission
from service.handlers.identity_log import Change, log_change
from service.handlers.pages import page
from service.handlers.scope import Scope
from service.http import responses
from service.http.cursors import CursorFormat, CursorId, CursorInt
from service.http.decode import BodyDecoder
from service.http.json_response import JsonResponse
from service.http.query import QueryDecoder, path_id
from service.identity.api_keys import ApiKey, ApiKeys
from service.identity.credentials import Principal
from service.identity.page import FIRST, Position
from service.problems import not_found
from service.wire import answers as wire
from service.wire import queries, requests

_CURSORS: Final = CursorFormat("api-keys", tuple[CursorInt, CursorId])


class ApiKeyHandlers:
    def __init__(self, api_keys: ApiKeys, scope: Scope, admission: Admission) -> None:
        self._api_keys = api_keys
        self._admission = admission
        self._scope = scope
        self._create = BodyDecoder(requests.CreateApiKey)
        self._page = QueryDecoder(queries.PageQuery)

    async def create(self, request: web.Request, principal: Principal) -> JsonResponse:
        body = await self._create.read(request)
        await self._scope.require_active(principal)
        # The account may have had to be waited for, and a key outlives the token that made it.
        await self._admission.again(request)
        key, secret = await self._api_keys.create(principal.user_id, body.name)
        log_change(Change.API_KEY_CREATED, key.id, principal)
        shown = wire.NewApiKey(key.id, key.name, secret, key.prefix, format_time(key.created_at_us))
        return responses.answer(shown, 201)

    async def list(self, request: web.Request, principal: Principal) -> JsonResponse:
        query = self._page.read(request)
        before = Position(*_CURSORS.decode(query.cursor)) if query.cursor is not None else FIRST
        keys = await self._api_keys.list(principal.user_id, limit=query.limit + 1, before=before)
        return responses.answer(
            page(keys, query.limit, _api_key, lambda key: _CURSORS.encode((key.created_at_us, key.id)))
        )

    async def revoke(self, request: web.Request, principal: Principal) -> web.Response:
        key_id = path_id(request)
        if not await self._api_keys.revoke(principal.user_id, key_id):
            raise not_found()
        log_change(Change.API_KEY_REVOKED, key_id, principal)
        return responses.no_content()


def _api_key(key: ApiKey) -> wire.ApiKey:
    last_used_at = format_time(key.last_used_at_us) if key.last_used_at_us is not None else None
    return wire.ApiKey(key.id, key.name, key.prefix, format_time(key.created_at_us), last_used_at)
