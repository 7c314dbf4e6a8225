"""What is remembered of sellers: only what cannot change, and only so much."""

from collections import Counter

from service.identity.sellers import SellerProfile
from service.known_sellers import KnownSellers


def seller(number: int) -> SellerProfile:
    seller_id, currency = f"0195f3a2-c4b0-7000-8000-0000{number:08x}", "USD" if number % 2 else "EUR"
    return SellerProfile(seller_id, f"kiosk-{number}", "Kiosk", currency, "cell_00", 0)


class Table:
    """The sellers that there are, and how often each was looked for."""

    def __init__(self, *sellers: SellerProfile) -> None:
        self.sellers = list(sellers)
        self.asked = Counter[str]()

    async def find(self, seller_id: str) -> SellerProfile | None:
        self.asked[seller_id] += 1
        return next((each for each in self.sellers if each.id == seller_id), None)

    async def find_by_tag(self, tag: str) -> SellerProfile | None:
        self.asked[tag] += 1
        return next((each for each in self.sellers if each.id.endswith(tag)), None)


async def test_what_was_found_is_not_asked_again() -> None:
    table = Table(seller(1), seller(2))
    known = KnownSellers(table.find, table.find_by_tag, known_max=10)
    for _ in range(3):
        assert await known.currency_of(seller(1).id) == "USD"
        assert await known.owner_of("01a20ad4-17ed-7000-8000-000300000001") == seller(1).id
        assert await known.owner_of("01a20ad4-17ed-7000-8000-000300000002") == seller(2).id
        assert await known.currency_of(seller(2).id) == "EUR"
    assert table.asked == {seller(1).id: 1, "00000002": 1}


async def test_who_does_not_exist_yet_may_exist_later() -> None:
    table = Table()
    known = KnownSellers(table.find, table.find_by_tag, known_max=10)
    assert await known.currency_of(seller(1).id) is None
    assert await known.owner_of(seller(1).id) is None
    table.sellers.append(seller(1))
    assert await known.owner_of(seller(1).id) == seller(1).id
    assert await known.currency_of(seller(1).id) == "USD"


async def test_memory_is_bounded() -> None:
    table = Table(*(seller(number) for number in range(10)))
    known = KnownSellers(table.find, table.find_by_tag, known_max=3)
    for number in range(10):
        assert await known.currency_of(seller(number).id) == seller(number).currency
    for number in range(10):
        assert await known.owner_of(seller(number).id) == seller(number).id
    assert await known.currency_of(seller(9).id) == "USD"
    assert table.asked[seller(9).id] == 1  # by then found by its tag
    assert len(known._currencies) == len(known._ids) == 3
