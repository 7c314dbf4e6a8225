"""Sellers: made, shown and changed by admins. What changes what an account may do goes through its actor."""

import asyncio
import logging
from functools import partial
from typing import Final

from aiohttp import web
from msgspec import UNSET
from msgspec.structs import replace

from actors.commands import AccountView, Adjust, Caller, ChangeAccount, Done, Settle
from actors.directory import Directory
from journal.money import format_minor, is_currency
from journal.reader import AccountState, Reader
from journal.store import JournalFault, OutcomeUnknown
from journal.times import format_time
from service import amounts, answers
from service.admission import Admission
from service.handlers.callers import caller_of
from service.handlers.identity_log import Change, log_change
from service.handlers.outcomes import FAULTS, allowed, done, view
from service.handlers.pages import page
from service.handlers.scope import Scope
from service.http import responses
from service.http.cursors import CursorFormat, CursorId, CursorInt
from service.http.decode import BodyDecoder
from service.http.json_response import JsonResponse
from service.http.query import QueryDecoder, path_id
from service.identity.credentials import Principal
from service.identity.page import FIRST, Position
from service.identity.sellers import SellerProfile, Sellers
from service.identity.users import Users
from service.problems import Problem, ProblemCode, invalid, not_found
from service.wire import answers as wire
from service.wire import queries, requests

log = logging.getLogger(__name__)

_CURSORS: Final = CursorFormat("sellers", tuple[CursorInt, CursorId])


class SellerHandlers:
    def __init__(
        self,
        sellers: Sellers,
        users: Users,
        directory: Directory,
        reader: Reader,
        scope: Scope,
        admission: Admission,
        default_currency: str,
    ) -> None:
        self._sellers = sellers
        self._users = users
        self._directory = directory
        self._reader = reader
        self._scope = scope
        self._admission = admission
        self._default_currency = default_currency
        self._create = BodyDecoder(requests.CreateSeller)
        self._change = BodyDecoder(requests.ChangeSeller)
        self._set_password = BodyDecoder(requests.SetPassword)
        self._adjust = BodyDecoder(requests.CreateAdjustment)
        self._query = QueryDecoder(queries.Sellers)

    async def create(self, request: web.Request, principal: Principal) -> JsonResponse:
        body = await self._create.read(request)
        currency = self._default_currency if body.currency is None else body.currency
        if not is_currency(currency):
            raise invalid("currency", "Expected an ISO 4217 currency, as USD.")
        # While no account can be opened there shall be no seller either.
        self._directory.journal.check_writable()
        may_go_on = partial(self._admission.again, request)
        seller = allowed(await self._sellers.create(body.username, body.password, body.name, currency, may_go_on))
        log_change(Change.SELLER_CREATED, seller.id, principal)
        return responses.answer(_seller(seller, await self._opened(seller)), 201)

    async def _opened(self, seller: SellerProfile) -> AccountView:
        """The new account. The seller exists whatever becomes of this: its account is opened on first use too."""
        try:
            return await self._scope.settled(seller.id)
        except FAULTS as fault:
            log.warning("seller_not_opened_yet", extra={"seller_id": seller.id, "reason": type(fault).__name__})
            return _unopened(seller)

    async def list(self, request: web.Request, principal: Principal) -> JsonResponse:
        query = self._query.read(request)
        filters = (query.status, query.q)
        before = Position(*_CURSORS.decode(query.cursor, filters)) if query.cursor is not None else FIRST
        is_suspended = None if query.status is None else query.status == "suspended"
        sellers = await self._sellers.list(
            limit=query.limit + 1, before=before, search=query.q, is_suspended=is_suspended
        )
        accounts = await self._reader.accounts([seller.id for seller in sellers])

        def show(seller: SellerProfile) -> wire.Seller:
            return _seller(seller, accounts.get(seller.id) or _unopened(seller))

        return responses.answer(
            page(sellers, query.limit, show, lambda seller: _CURSORS.encode((seller.created_at_us, seller.id), filters))
        )

    async def get(self, request: web.Request, principal: Principal) -> JsonResponse:
        seller_id = path_id(request)
        if principal.seller_id not in (None, seller_id):
            raise not_found()
        seller = await self._found(seller_id)
        return responses.answer(_seller(seller, await self._scope.settled(seller_id)))

    async def change(self, request: web.Request, principal: Principal) -> JsonResponse:
        """The account first: if its actor refuses, the name stays as it was. All that the answer is made of is read
        before anything is changed: a fault afterwards would hide the change."""
        seller_id = path_id(request)
        currency = await self._scope.currency_of(seller_id)
        body = await self._change.read(request)
        credit_limit = None
        if body.credit_limit is not UNSET:
            credit_limit = amounts.required(body.credit_limit, currency, "credit_limit", is_zero_allowed=True)
        is_suspended = None if body.status is UNSET else body.status == "suspended"
        seller = await self._found(seller_id)
        is_account_changed = False
        if is_suspended is None and credit_limit is None:
            account = await self._scope.settled(seller_id)
        else:
            command = ChangeAccount(Caller(principal.user_id, True), is_suspended, credit_limit)
            account, is_account_changed = await self._change_account(seller, command)
        if body.name is not UNSET:
            seller = await self._renamed(seller, body.name, is_account_changed=is_account_changed)
            log_change(Change.SELLER_RENAMED, seller.id, principal)
        return responses.answer(_seller(seller, account))

    async def _change_account(self, seller: SellerProfile, command: ChangeAccount) -> tuple[AccountView, bool]:
        """The account after the command, and whether that has written anything.

        An entry does not tell whether the seller is suspended. So the account is looked at as well, in the same step:
        nothing of this seller comes between."""
        looked = self._directory.ask(seller.id, Settle())
        changing = self._directory.ask(seller.id, command)
        before, outcome = await asyncio.gather(looked, changing, return_exceptions=True)
        if isinstance(outcome, BaseException):
            raise outcome
        if not isinstance(outcome, Done):
            return view(outcome, seller.currency), False
        if isinstance(before, BaseException):
            raise OutcomeUnknown(str(before)) from before
        assert isinstance(before, AccountView)
        return _after(outcome, before, command), True

    async def _renamed(self, seller: SellerProfile, name: str, *, is_account_changed: bool) -> SellerProfile:
        """`is_account_changed`: by the same request."""
        try:
            is_found = await self._sellers.rename(seller.id, name)
        except JournalFault as fault:
            if not is_account_changed:
                raise
            raise Problem(
                ProblemCode.OUTCOME_UNKNOWN, "The account was changed, the name may not be; send the same again."
            ) from fault
        assert is_found, "sellers are never deleted"
        return replace(seller, name=name)

    async def reset_password(self, request: web.Request, principal: Principal) -> web.Response:
        seller_id = path_id(request)
        await self._scope.currency_of(seller_id)  # A password is not hashed for nobody: that takes its time.
        body = await self._set_password.read(request)
        may_go_on = partial(self._admission.again, request)
        allowed(await self._users.reset_password(seller_id, body.new_password, may_go_on, role="seller"))
        log_change(Change.PASSWORD_RESET, seller_id, principal)
        return responses.no_content()

    async def adjust(self, request: web.Request, principal: Principal) -> JsonResponse:
        seller_id = path_id(request)
        currency = await self._scope.currency_of(seller_id)
        body = await self._adjust.read(request)
        amount = amounts.required(body.amount, currency)
        caller = caller_of(request, principal, "adjustment", seller_id, amount, body.direction, body.reason)
        outcome = await self._directory.ask(seller_id, Adjust(caller, amount, body.direction, body.reason))
        made = done(outcome, currency)
        shown = answers.transaction(made.entry, made.position, currency)
        return responses.answer(shown, 201, is_replay=made.is_replay)

    async def _found(self, seller_id: str) -> SellerProfile:
        seller = await self._sellers.find(seller_id)
        if seller is None:
            raise not_found()
        return seller


def _unopened(seller: SellerProfile) -> AccountView:
    """The account of a seller that has no entries yet."""
    return AccountView(seller.id, seller.currency, False, 0, 0, 0, 0, seller.created_at_us)


def _after(changed: Done, before: AccountView, command: ChangeAccount) -> AccountView:
    entry = changed.entry
    return replace(
        before,
        is_suspended=before.is_suspended if command.is_suspended is None else command.is_suspended,
        credit_limit=entry.credit_limit,
        available=entry.available_after,
        held=entry.held_after,
        seq=entry.seq,
        at_us=entry.at_us,
        seen_at_us=entry.at_us,
    )


def _seller(seller: SellerProfile, account: AccountView | AccountState) -> wire.Seller:
    currency = account.currency
    return wire.Seller(
        id=seller.id,
        username=seller.username,
        name=seller.name,
        status="suspended" if account.is_suspended else "active",
        currency=currency,
        credit_limit=format_minor(account.credit_limit, currency),
        balance=answers.balances(account.available, account.held, currency),
        created_at=format_time(seller.created_at_us),
    )
