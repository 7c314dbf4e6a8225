"""Whose account a request is about: a seller is known by its credential alone, an admin names one.

What belongs to another seller is answered like what does not exist, so nothing can be learnt by guessing ids.
"""

from typing import Final

from actors.commands import AccountView, Settle
from actors.directory import Directory
from journal.ids import is_id, tag_of
from service.identity.credentials import Principal
from service.known_sellers import KnownSellers
from service.problems import Problem, ProblemCode, invalid, not_found

_SETTLE: Final = Settle()


class Scope:
    def __init__(self, directory: Directory, sellers: KnownSellers) -> None:
        self._directory = directory
        self._sellers = sellers
        self.known_currency_of = sellers.known_currency_of

    async def currency_of(self, seller_id: str) -> str:
        """Raises a 404 for a seller that does not exist."""
        currency = await self._sellers.currency_of(seller_id)
        if currency is None:
            raise not_found()
        return currency

    async def owner_of(self, principal: Principal, any_id: str, named: str | None = None) -> str:
        """The seller whose charge, credit request or entry the id may be. Raises the 404 of what is nobody's, or is not
        of the seller that the request has named."""
        if principal.seller_id is not None:
            owner = principal.seller_id if tag_of(any_id) == tag_of(principal.seller_id) else None
        else:
            owner = await self._sellers.owner_of(any_id)
        if owner is None or (named is not None and named.lower() != owner):
            raise not_found()
        return owner

    async def chosen(self, principal: Principal, seller_id: str | None) -> str | None:
        """The seller that a list is about; None when an admin asks for all of them."""
        if principal.seller_id is not None:
            if seller_id is not None and seller_id.lower() != principal.seller_id:
                raise not_found()
            return principal.seller_id
        if seller_id is None:
            return None
        seller_id = seller_id.lower()
        if not is_id(seller_id):
            raise not_found()
        await self.currency_of(seller_id)
        return seller_id

    async def one(self, principal: Principal, seller_id: str | None) -> str:
        """The seller that a balance or a statement is about."""
        chosen = await self.chosen(principal, seller_id)
        if chosen is None:
            raise invalid("seller_id", "Required of an admin.")
        return chosen

    async def require_active(self, principal: Principal) -> None:
        """For changes that no actor decides. A suspended seller only reads, and ends what it began."""
        if principal.seller_id is not None and (await self.settled(principal.seller_id)).is_suspended:
            raise Problem(ProblemCode.SELLER_SUSPENDED)

    async def settled(self, seller_id: str) -> AccountView:
        """The account after its holds that have expired were given back. What was decided before is durable."""
        account = await self._directory.ask(seller_id, _SETTLE)
        assert isinstance(account, AccountView)
        return account
