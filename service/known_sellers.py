"""What never changes about a seller, kept in memory: that it exists, its tag, and its currency.

Every charge needs its seller's currency before anything can be asked of its actor, and every id that an admin
names has to be led back to its seller. Both are fixed when the seller is created and sellers are never
deleted, so what was found once stays true. What was not found is never kept. Bounded, oldest out.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from journal.ids import tag_of
from service.identity.sellers import SellerProfile


class KnownSellers:
    def __init__(
        self,
        find: Callable[[str], Awaitable[SellerProfile | None]],
        find_by_tag: Callable[[str], Awaitable[SellerProfile | None]],
        *,
        known_max: int,
    ) -> None:
        """`find` by id and `find_by_tag` ask the database."""
        self._find = find
        self._find_by_tag = find_by_tag
        self._known_max = known_max
        # A plain dict would have to look past all that it has lost to find its oldest.
        self._currencies: OrderedDict[str, str] = OrderedDict()
        self.known_currency_of: Final[Callable[[str], str | None]] = self._currencies.get
        """None when it has to be looked up: then `currency_of`."""
        self._ids: dict[str, str] = {}

    async def currency_of(self, seller_id: str) -> str | None:
        """None when there is no such seller."""
        return self._currencies.get(seller_id) or self._keep(await self._find(seller_id))

    async def owner_of(self, any_id: str) -> str | None:
        """The id of the seller whose charge, credit request or entry this may be; None when it is nobody's."""
        tag = tag_of(any_id)
        if tag not in self._ids:
            self._keep(await self._find_by_tag(tag))
        return self._ids.get(tag)

    def _keep(self, seller: SellerProfile | None) -> str | None:
        if seller is None:
            return None
        if len(self._currencies) >= self._known_max and seller.id not in self._currencies:
            oldest, _ = self._currencies.popitem(last=False)
            del self._ids[tag_of(oldest)]
        self._currencies[seller.id] = seller.currency
        self._ids[tag_of(seller.id)] = seller.id
        return seller.currency
