"""Signing in and out, and passwords."""

from collections.abc import Callable

from aiohttp import web

from journal.times import format_time
from service.handlers.identity_log import Change, log_change
from service.handlers.outcomes import allowed
from service.handlers.scope import Scope
from service.http import responses
from service.http.decode import BodyDecoder
from service.http.json_response import JsonResponse
from service.identity.credentials import Principal
from service.identity.sign_in import SignIn
from service.identity.tokens import Tokens
from service.wire import answers as wire
from service.wire import requests


class AuthHandlers:
    def __init__(
        self, sign_in: SignIn, tokens: Tokens, scope: Scope, client_address: Callable[[web.Request], str]
    ) -> None:
        """`client_address` tells who is at the other end, behind proxies too: guesses are counted by it."""
        self._scope = scope
        self._sign_in = sign_in
        self._tokens = tokens
        self._client_address = client_address
        self._given = BodyDecoder(requests.SignIn)
        self._change = BodyDecoder(requests.ChangePassword)

    async def issue_token(self, request: web.Request) -> JsonResponse:
        body = await self._given.read(request)
        session = allowed(await self._sign_in.sign_in(body.username, body.password, self._client_address(request)))
        return responses.answer(
            wire.Token(session.token, "Bearer", format_time(session.expires_at_us), session.role, session.seller_id)
        )

    async def end_token(self, request: web.Request, principal: Principal) -> web.Response:
        await self._tokens.end(principal.digest)
        return responses.no_content()

    async def me(self, request: web.Request, principal: Principal) -> JsonResponse:
        return responses.answer(wire.Me(principal.user_id, principal.username, principal.role, principal.seller_id))

    async def change_password(self, request: web.Request, principal: Principal) -> web.Response:
        body = await self._change.read(request)
        await self._scope.require_active(principal)
        address = self._client_address(request)
        allowed(await self._sign_in.change_password(principal, body.current_password, body.new_password, address))
        log_change(Change.PASSWORD_CHANGED, principal.user_id, principal)
        return responses.no_content()
