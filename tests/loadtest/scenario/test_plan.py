"""A plan is a function of its seed, and as large and as unjust as it says."""

from collections import Counter
from random import Random

from loadtest.scenario.plan import Order, ReadBalance, Repeat, Reuse, Sell, Size, TopUp, crowd, old_shop


def test_the_same_seed_gives_the_same_plan():
    size = Size(sellers=10, charges=500)
    assert crowd(Random(3), size, at_once=8) == crowd(Random(3), size, at_once=8)
    assert crowd(Random(3), size, at_once=8) != crowd(Random(4), size, at_once=8)


def test_the_first_play_is_that_of_the_old_shop():
    """Two sellers, ten requests each, a thousand sales at once, all of them covered."""
    play = old_shop(Random(1), Size())
    assert Counter(step.seller for step in play.before if isinstance(step, TopUp)) == {0: 10, 1: 10}
    assert len(play.steps) == play.at_once == 1000
    for seller in (0, 1):
        asked = sum(step.order.amount for step in play.steps if isinstance(step, Sell) and step.order.seller == seller)
        given = sum(step.amount for step in play.before if isinstance(step, TopUp) and step.seller == seller)
        assert 0 < asked <= given


def test_the_second_play_has_a_hot_seller_and_too_little_credit():
    play = crowd(Random(1), Size(), at_once=128)
    sales = [step for step in play.steps if isinstance(step, Sell)]
    assert len(play.currencies) == len(play.limits) == 100
    assert len(sales) == 20_000
    takers = Counter(sale.order.seller for sale in sales)
    assert set(takers) == set(range(100))
    assert 0.48 < takers[0] / len(sales) < 0.52
    demand: Counter[int] = Counter()
    for sale in sales:
        demand[sale.order.seller] += sale.order.amount
    credit: Counter[int] = Counter()
    for step in (*play.before, *play.steps):
        if isinstance(step, TopUp) and "approve" in step.then:
            credit[step.seller] += step.amount
    assert all(credit[seller] < demand[seller] for seller in demand)


def test_the_second_play_does_what_clients_do():
    play = crowd(Random(1), Size(), at_once=128)
    kinds = Counter(type(step) for step in play.steps)
    assert min(kinds[Repeat], kinds[Reuse], kinds[ReadBalance]) > 100
    sales = [step for step in play.steps if isinstance(step, Sell)]
    assert sum(sale.copies > 1 for sale in sales) > 100
    assert sum(not sale.order.has_key for sale in sales) > 100
    assert sum(sale.order.expires_in_s == 1 for sale in sales) > 10
    follow_ups = {then for sale in sales for then in sale.then}
    assert {"capture", "capture part", "capture too much", "void"} <= follow_ups
    assert {"refund", "refund part", "refund too much"} <= follow_ups


def test_orders_have_numbers_of_their_own_across_plays():
    """Numbers make keys: two orders under one key would be a mistake of the play, not of the shop."""
    size, chance = Size(sellers=5, charges=300, sales_at_once=100), Random(1)
    plays = (old_shop(chance, size), crowd(chance, size, at_once=8))
    orders: list[Order] = [step.order for play in plays for step in play.steps if isinstance(step, Sell)]
    assert len({order.number for order in orders}) == len(orders) == 400
