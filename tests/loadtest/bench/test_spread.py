"""Who sells next."""

from collections import Counter
from random import Random

from loadtest.bench.spread import turns


def test_evenly_spread_every_seller_sells_about_as_often():
    counts = Counter(turns("even", 100, Random(1)))
    assert set(counts) == set(range(100))
    assert max(counts.values()) < 1.5 * min(counts.values())


def test_one_seller_sells_everything():
    assert set(turns("one", 100, Random(1))) == {0}


def test_by_zipf_the_first_sells_twice_as_often_as_the_second_and_ten_times_as_the_tenth():
    counts = Counter(turns("zipf", 1000, Random(1)))
    assert 1.8 < counts[0] / counts[1] < 2.2
    assert 8 < counts[0] / counts[9] < 12
    assert len(counts) > 900


def test_the_same_seed_gives_the_same_turns():
    assert turns("zipf", 50, Random(3)) == turns("zipf", 50, Random(3)) != turns("zipf", 50, Random(4))
