"""Guessing is slowed down, and nobody is locked out by strangers."""

from itertools import count

import pytest

from service.identity.refusals import IdentityCode
from service.identity.throttle import ACCOUNT_LIMIT, ADDRESS_LIMIT, PAIR_LIMIT, Limit, Throttle
from tests.service.identity.conftest import Clock

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock.monotonic)


def fail(throttle: Throttle, username: str, address: str, times: int) -> None:
    for _ in range(times):
        assert throttle.refusal(username, address) is None
        throttle.failed(username, address)


def besiege(throttle: Throttle, username: str) -> None:
    """Guesses from ever new addresses, until the account's bucket is empty."""
    numbers = count()
    for _ in range(ACCOUNT_LIMIT.burst):
        throttle.failed(username, f"203.0.113.{next(numbers)}")


def test_one_who_guesses_at_one_account_waits_after_ten(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, "anna", HOME, PAIR_LIMIT.burst)
    refusal = throttle.refusal("anna", HOME)
    assert refusal is not None
    assert refusal.code is IdentityCode.TOO_MANY_ATTEMPTS
    assert refusal.retry_after_s == PAIR_LIMIT.refill_s
    clock.advance(PAIR_LIMIT.refill_s - 1)
    assert throttle.refusal("anna", HOME) is not None
    clock.advance(1)
    fail(throttle, "anna", HOME, 1)
    assert throttle.refusal("anna", HOME) is not None


def test_retry_after_is_when_the_next_attempt_is_heard(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, "anna", HOME, PAIR_LIMIT.burst)
    clock.advance(17.3)
    refusal = throttle.refusal("anna", HOME)
    assert refusal is not None
    assert refusal.retry_after_s is not None
    clock.advance(refusal.retry_after_s)
    assert throttle.refusal("anna", HOME) is None


def test_case_and_notation_make_no_difference(throttle: Throttle) -> None:
    fail(throttle, "anna", HOME, PAIR_LIMIT.burst)
    assert throttle.refusal("ANNA", HOME) is not None
    assert throttle.refusal("anna", f"::ffff:{HOME}") is not None


def test_an_ipv6_subscriber_is_one_address(throttle: Throttle) -> None:
    for number in range(PAIR_LIMIT.burst):
        fail(throttle, "anna", f"2001:db8:1:2::{number:x}", 1)
    assert throttle.refusal("anna", "2001:db8:1:2:ffff::1") is not None
    assert throttle.refusal("anna", "2001:db8:1:3::1") is None


def test_one_who_guesses_at_many_accounts_waits_after_a_hundred(throttle: Throttle) -> None:
    for number in range(ADDRESS_LIMIT.burst):
        fail(throttle, f"user{number}", ELSEWHERE, 1)
    assert throttle.refusal("anna", ELSEWHERE) is not None
    assert throttle.refusal("anna", HOME) is None


def test_a_right_password_forgives_the_pair_only(throttle: Throttle) -> None:
    fail(throttle, "anna", HOME, PAIR_LIMIT.burst)
    throttle.succeeded("anna", HOME)
    assert throttle.refusal("anna", HOME) is None
    for number in range(ADDRESS_LIMIT.burst - PAIR_LIMIT.burst):
        fail(throttle, f"user{number}", HOME, 1)
    throttle.succeeded("mallory", HOME)
    assert throttle.refusal("bert", HOME) is not None, "an account of one's own buys no more guesses at others'"


def test_a_besieged_account_lets_its_owner_in_from_a_new_address(throttle: Throttle, clock: Clock) -> None:
    """However long it lasts: one attempt is heard from every address."""
    for _ in range(20):
        besiege(throttle, "anna")
        assert throttle.refusal("anna", HOME) is None
        clock.advance(7)


def test_a_besieged_account_hears_one_attempt_per_address_and_minute(throttle: Throttle, clock: Clock) -> None:
    besiege(throttle, "anna")
    fail(throttle, "anna", ELSEWHERE, 1)
    refusal = throttle.refusal("anna", ELSEWHERE)
    assert refusal is not None
    assert refusal.retry_after_s == PAIR_LIMIT.refill_s
    assert throttle.refusal("bert", ELSEWHERE) is None, "other accounts are not besieged"
    clock.advance(PAIR_LIMIT.refill_s)
    assert throttle.refusal("anna", ELSEWHERE) is None


def test_a_siege_ends(throttle: Throttle, clock: Clock) -> None:
    besiege(throttle, "anna")
    clock.advance(ACCOUNT_LIMIT.refill_s)
    fail(throttle, "anna", ELSEWHERE, 1)
    clock.advance(ACCOUNT_LIMIT.refill_s)
    assert throttle.refusal("anna", ELSEWHERE) is None


def test_strangers_cannot_lock_out_a_known_address(throttle: Throttle) -> None:
    """Not from other addresses, and not by failing with other accounts behind the same one."""
    throttle.succeeded("anna", HOME)
    besiege(throttle, "anna")
    for number in range(ADDRESS_LIMIT.burst):
        throttle.failed(f"user{number}", HOME)
    assert throttle.refusal("bert", HOME) is not None
    fail(throttle, "anna", HOME, PAIR_LIMIT.burst)
    assert throttle.refusal("anna", HOME) is not None, "its own failures still count"


def test_mistakes_of_known_users_are_not_held_against_their_neighbours(throttle: Throttle) -> None:
    for number in range(ADDRESS_LIMIT.burst // PAIR_LIMIT.burst):
        throttle.succeeded(f"user{number}", HOME)
        fail(throttle, f"user{number}", HOME, PAIR_LIMIT.burst)
    assert throttle.refusal("bert", HOME) is None


def test_memory_is_bounded(clock: Clock) -> None:
    """The least recently seen are forgotten, those at work now are not."""
    throttle = Throttle(clock.monotonic, entries_max=10, address=Limit(1000, 1), account=Limit(1000, 1))
    fail(throttle, "anna", HOME, PAIR_LIMIT.burst)
    for number in range(9):
        throttle.failed(f"user{number}", ELSEWHERE)
    assert throttle.refusal("anna", HOME) is not None
    throttle.failed("one more", ELSEWHERE)
    assert throttle.refusal("anna", HOME) is None
    for number in range(100):
        throttle.succeeded("anna", f"203.0.113.{number}")
    assert len(throttle._known) == 10


def test_anything_may_stand_where_an_address_should(throttle: Throttle) -> None:
    for address in ("", "unix:", "x" * 100_000, "1.2.3", "fe80::1%eth0", "\ud800"):
        throttle.failed("anna", address)
        assert throttle.refusal("anna", address) is None
