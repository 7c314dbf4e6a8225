"""What will be asked: a list of steps, a pure function of its seed and size.

First what the old shop's own test did: two sellers, ten approved credit requests each, a thousand sales at
once. Then a crowd of sellers with too little credit for all that they are asked to sell, the first of whom
takes half of it, with everything in between that clients do to a shop, by intent or by accident: keys sent
twice, at once or later, or with another body; holds, captured in full or in part, voided, left to expire,
or captured and voided at the same moment; refunds, also of more than there is; reads.
"""

from random import Random
from typing import Final, Literal

from msgspec import Struct

CURRENCIES: Final = ("USD", "USD", "JPY", "KWD")
HOLD_SHORT_S: Final = 1
Decision = Literal["approve", "reject", "cancel"]
Then = Literal["capture", "capture part", "capture too much", "void", "refund", "refund part", "refund too much"]


class Size(Struct, frozen=True):
    sellers: int = 100
    charges: int = 20_000
    sales_at_once: int = 1_000


class Order(Struct, frozen=True):
    """One charge to ask for. `number` is unique in the play; `seller` an index."""

    number: int
    seller: int
    amount: int
    phone_number: str
    has_key: bool = True
    is_hold: bool = False
    expires_in_s: int | None = None
    reference: str | None = None
    metadata: dict[str, str] | None = None


class Sell(Struct, frozen=True):
    order: Order
    copies: int = 1
    """How often it is sent at once, with its one key."""
    then: tuple[Then, ...] = ()
    """What is asked about the charge once it was made: all at once."""


class Repeat(Struct, frozen=True):
    """The order again, whatever became of it, or is still becoming."""

    order: Order


class Reuse(Struct, frozen=True):
    """Another body under the order's key."""

    order: Order


class ReadBalance(Struct, frozen=True):
    seller: int
    by_admin: bool = False


class ReadCharge(Struct, frozen=True):
    """The order's charge, if there is one by then."""

    order: Order


class ListCharges(Struct, frozen=True):
    """The newest."""

    seller: int


class TopUp(Struct, frozen=True):
    """A credit request, and what the admin (or the seller) does with it: several words race each other."""

    seller: int
    amount: int
    then: tuple[Decision, ...] = ("approve",)


class Adjust(Struct, frozen=True):
    seller: int
    amount: int
    """Signed."""


Step = Sell | Repeat | Reuse | ReadBalance | ReadCharge | ListCharges | TopUp | Adjust


class Play(Struct, frozen=True):
    """One part of the plan. `before` is done first, then all `steps`, `at_once` of them in flight."""

    title: str
    currencies: tuple[str, ...]
    """One for each seller: they are as many."""
    limits: tuple[int, ...]
    """Credit limits, minor units."""
    before: tuple[Step, ...]
    steps: tuple[Step, ...]
    at_once: int


def old_shop(random: Random, size: Size) -> Play:
    """Two sellers, ten requests each, all sales at once, all covered."""
    before = [TopUp(seller, 100_000) for seller in range(2) for _ in range(10)]
    most = 2 * 10 * 100_000 // max(size.sales_at_once, 1)
    steps = [
        Sell(_order(random, number, number % 2, random.randrange(1, most // 2))) for number in range(size.sales_at_once)
    ]
    return Play(
        "the old shop's test", ("USD", "USD"), (0, 0), tuple(before), tuple(steps), at_once=max(size.sales_at_once, 1)
    )


def crowd(random: Random, size: Size, *, at_once: int) -> Play:
    """The first seller takes half of all charges; credit is for about three quarters of them."""
    sellers = size.sellers
    numbers = range(size.sales_at_once, size.sales_at_once + size.charges)
    takers = [0 if random.random() < 0.5 or sellers == 1 else random.randrange(1, sellers) for _ in numbers]
    sales = [_sale(random, number, seller) for number, seller in zip(numbers, takers, strict=True)]
    demand = [0] * sellers
    for sale in sales:
        demand[sale.order.seller] += sale.order.amount

    before: list[Step] = [
        TopUp(seller, max(demand[seller] * share // 100, 1)) for seller in range(sellers) for share in (20, 20, 15)
    ]
    steps: list[tuple[float, Step]] = []
    for place, sale in enumerate(sales):
        steps.append((place, sale))
        steps.extend(_afterwards(random, place, len(sales), sale))
    for seller in range(sellers):
        few = 10 if seller == 0 else 2
        for _ in range(few):
            amount = max(demand[seller] // (8 * few), 1)
            then = random.choice(_DECISIONS)
            steps.append((random.uniform(0, len(sales)), TopUp(seller, amount, then)))
        sign = random.choice((1, -1, -1))
        # Now and then more than there can be.
        factor = random.choice((1, 1, 1, 10**4))
        steps.append((random.uniform(0, len(sales)), Adjust(seller, sign * random.randrange(1, 5000) * factor)))
    steps.sort(key=lambda step: step[0])
    return Play(
        f"{sellers} sellers, {size.charges:,} charges",
        tuple(CURRENCIES[seller % len(CURRENCIES)] for seller in range(sellers)),
        tuple(2_000 if seller % 4 == 2 else 0 for seller in range(sellers)),
        tuple(before),
        tuple(step for _, step in steps),
        at_once,
    )


def _sale(random: Random, number: int, seller: int) -> Sell:
    then: tuple[Then, ...] = ()
    is_hold = random.random() < 0.08
    expires_in_s = None
    if is_hold:
        then = random.choice(
            (
                ("capture",),
                ("capture part",),
                ("capture too much", "capture"),
                ("void",),
                ("capture", "void"),
                ("capture part", "void", "capture"),
                (),
            )
        )
        expires_in_s = random.choice((HOLD_SHORT_S, 3600)) if not then else random.choice((None, 3600))
    elif random.random() < 0.03:
        then = random.choice((("refund",), ("refund part",), ("refund too much",), ("refund", "refund", "refund part")))
    order = _order(
        random,
        number,
        seller,
        random.randrange(1, 2_000),
        has_key=random.random() < 0.9,
        is_hold=is_hold,
        expires_in_s=expires_in_s,
        reference=f"order-{number}" if random.random() < 0.8 else None,
        metadata={"till": str(number % 7), "note": random.choice(_NOTES)} if random.random() < 0.2 else None,
    )
    copies = random.choice((2, 3)) if order.has_key and random.random() < 0.05 else 1
    return Sell(order, copies, then)


def _afterwards(random: Random, place: int, count: int, sale: Sell) -> list[tuple[float, Step]]:
    """What else is asked about a sale, and where in the play: soon after, or much later."""
    order = sale.order
    later = place + random.choice((random.uniform(0, 50), random.uniform(0, count)))
    steps: list[tuple[float, Step]] = []
    if order.has_key and random.random() < 0.05:
        steps.append((later, Repeat(order)))
    if order.has_key and random.random() < 0.02:
        steps.append((later, Reuse(order)))
    if random.random() < 0.04:
        steps.append((later, ReadBalance(order.seller, random.random() < 0.2)))
    if random.random() < 0.04:
        steps.append((later, ReadCharge(order)))
    if random.random() < 0.02:
        steps.append((later, ListCharges(order.seller)))
    return steps


_DECISIONS: Final[tuple[tuple[Decision, ...], ...]] = (
    *(4 * (("approve",),)),
    ("approve", "approve"),
    ("approve", "reject", "cancel"),
    ("reject",),
    ("cancel",),
)
_NOTES: Final = ("plain", "naïve", 'a "quote" and a \\', "=1+1", "line\nbreak", "٣", "\u2028", "𝄞")


def _order(random: Random, number: int, seller: int, amount: int, **members: object) -> Order:
    return Order(number, seller, amount, f"+98912{random.randrange(10**7):07d}", **members)  # type: ignore[arg-type]
