"""Admins: made, listed, disabled and enabled by each other."""

from functools import partial
from typing import Final

from aiohttp import web

from journal.times import format_time
from service.admission import Admission
from service.handlers.identity_log import Change, log_change
from service.handlers.outcomes import allowed
from service.handlers.pages import page
from service.http import responses
from service.http.cursors import CursorFormat, CursorId, CursorInt
from service.http.decode import BodyDecoder
from service.http.json_response import JsonResponse
from service.http.query import QueryDecoder, path_id
from service.identity.credentials import Principal
from service.identity.page import FIRST, Position
from service.identity.users import User, Users
from service.wire import answers as wire
from service.wire import queries, requests

_CURSORS: Final = CursorFormat("admins", tuple[CursorInt, CursorId])


class AdminHandlers:
    def __init__(self, users: Users, admission: Admission) -> None:
        self._users = users
        self._admission = admission
        self._create = BodyDecoder(requests.CreateAdmin)
        self._change = BodyDecoder(requests.ChangeAdmin)
        self._page = QueryDecoder(queries.PageQuery)

    async def create(self, request: web.Request, principal: Principal) -> JsonResponse:
        body = await self._create.read(request)
        may_go_on = partial(self._admission.again, request)
        admin = allowed(await self._users.create_admin(body.username, body.password, may_go_on))
        log_change(Change.ADMIN_CREATED, admin.id, principal)
        return responses.answer(_admin(admin), 201)

    async def list(self, request: web.Request, principal: Principal) -> JsonResponse:
        query = self._page.read(request)
        before = Position(*_CURSORS.decode(query.cursor)) if query.cursor is not None else FIRST
        admins = await self._users.list_admins(limit=query.limit + 1, before=before)
        return responses.answer(
            page(admins, query.limit, _admin, lambda admin: _CURSORS.encode((admin.created_at_us, admin.id)))
        )

    async def change(self, request: web.Request, principal: Principal) -> JsonResponse:
        admin_id = path_id(request)
        body = await self._change.read(request)
        admin = allowed(await self._users.set_admin_status(admin_id, body.status))
        change = Change.ADMIN_DISABLED if body.status == "disabled" else Change.ADMIN_ENABLED
        log_change(change, admin.id, principal)
        return responses.answer(_admin(admin))


def _admin(user: User) -> wire.Admin:
    return wire.Admin(user.id, user.username, user.status, format_time(user.created_at_us))
