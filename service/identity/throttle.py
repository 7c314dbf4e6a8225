"""How many wrong passwords are heard before the next attempt has to wait.

Failures are counted in three ways, each a bucket that refills with time:

    pair      (account, address)   the one who guesses at one account
    address   address              the one who guesses at many accounts; an IPv6 address counts as its /64
    account   account              many addresses that guess at one account

A stranger must not be able to lock an owner out, so the account's bucket alone refuses nobody. While it is
empty the account is *besieged*, and every address gets one attempt where it had several: a swarm is slowed to
one guess per address and minute, and an owner with the right password is let in from a new address at the
first attempt. An address from which the account's password was once given rightly is *known* to it: there only
the pair's own failures count, whatever others do.

All of this is memory, bounded, least recently used first out. It does not outlive the process: nobody but the
operator can restart that, and argon2 bounds the rate besides. Attempts are counted when they have failed;
that parallel ones are not all heard first is seen to by `passwords`, whose turns they take.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from msgspec import Struct

from service.http.client_address import subscriber_of
from service.identity.instants import Monotonic
from service.identity.refusals import IdentityCode, IdentityRefusal

K = TypeVar("K", bound=Hashable)


class Limit(Struct, frozen=True):
    """`burst` failures at once, and one more every `refill_s` seconds."""

    burst: int
    refill_s: float


PAIR_LIMIT: Final = Limit(burst=10, refill_s=60)
ADDRESS_LIMIT: Final = Limit(burst=100, refill_s=10)
ACCOUNT_LIMIT: Final = Limit(burst=50, refill_s=20)


class Throttle:
    """Ask `refusal` before a password is checked; say afterwards how it went. Plain defs: nothing in between."""

    def __init__(
        self,
        monotonic: Monotonic,
        *,
        pair: Limit = PAIR_LIMIT,
        address: Limit = ADDRESS_LIMIT,
        account: Limit = ACCOUNT_LIMIT,
        entries_max: int = 50_000,
    ) -> None:
        self._monotonic = monotonic
        self._pairs = _Buckets[tuple[str, str]](pair, entries_max)
        self._addresses = _Buckets[str](address, entries_max)
        self._accounts = _Buckets[str](account, entries_max)
        self._known = OrderedDict[tuple[str, str], None]()
        self._entries_max = entries_max

    def refusal(self, username: str, address: str) -> IdentityRefusal | None:
        """Why this attempt is not heard; None when it is."""
        now = self._monotonic()
        account, source = pair = parties(username, address)
        if pair in self._known:
            wait_s = self._pairs.wait_s(pair, now)
        else:
            is_besieged = self._accounts.wait_s(account, now) > 0
            wait_s = max(
                self._addresses.wait_s(source, now),
                self._pairs.wait_s(pair, now, burst=1 if is_besieged else None),
            )
        if wait_s <= 0:
            return None
        return IdentityRefusal(
            IdentityCode.TOO_MANY_ATTEMPTS,
            "Too many attempts have failed. The password was not looked at.",
            retry_after_s=math.ceil(wait_s),
        )

    def failed(self, username: str, address: str) -> None:
        now = self._monotonic()
        account, source = pair = parties(username, address)
        self._pairs.fill(pair, now)
        if pair not in self._known:
            self._addresses.fill(source, now)
            self._accounts.fill(account, now)

    def succeeded(self, username: str, address: str) -> None:
        """Forgives the pair its failures, and nobody else theirs."""
        pair = parties(username, address)
        self._pairs.forget(pair)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > self._entries_max:
            self._known.popitem(last=False)


class _Buckets(Generic[K]):
    """For each key the moment at which its bucket will be as good as new: one number says it all (GCRA)."""

    def __init__(self, limit: Limit, entries_max: int) -> None:
        self._limit = limit
        self._entries_max = entries_max
        self._full_again_at = OrderedDict[K, float]()

    def wait_s(self, key: K, now: float, burst: int | None = None) -> float:
        """Seconds until one more failure fits; 0 or less when it fits now."""
        missing_s = self._full_again_at.get(key, now) - now
        if missing_s <= 0:
            return 0
        return missing_s - ((burst or self._limit.burst) - 1) * self._limit.refill_s

    def fill(self, key: K, now: float) -> None:
        self._full_again_at[key] = max(self._full_again_at.get(key, now), now) + self._limit.refill_s
        self._full_again_at.move_to_end(key)
        if len(self._full_again_at) > self._entries_max:
            self._full_again_at.popitem(last=False)

    def forget(self, key: K) -> None:
        self._full_again_at.pop(key, None)


def parties(username: str, address: str) -> tuple[str, str]:
    """Whom an attempt is counted for: the account, and who stands behind the address."""
    return _account(username), subscriber_of(address)


def _account(username: str) -> str:
    return username[:100].lower()
