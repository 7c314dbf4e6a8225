"""Credentials in memory: found without the database, and gone when revoked, by whatever path."""

import asyncio
import os

import asyncpg
import pytest

from actors.directory import Overloaded
from journal.store import JournalUnavailable
from service.identity.bearer import CredentialKind, new_secret
from service.identity.credentials import NEVER, Credentials
from service.identity.revocations import CHANNEL, TRUST_S, Revocations
from service.identity.tokens import LIFE_US
from tests.conftest import Database
from tests.service.identity.conftest import Clock, Identity, instance, listening, until_listening


def made_up() -> str:
    return f"Bearer {new_secret(CredentialKind.TOKEN, os.urandom)}"


async def heard(identity: Identity) -> None:
    """Everything that was committed before has been heard."""
    await identity.credentials.revocations.ping()


async def test_a_token_is_read_once_and_then_known(identity: Identity) -> None:
    async with identity.listening():
        seller = await identity.seller("kiosk")
        token = await identity.token("kiosk")
        assert identity.credentials.principal(token) is None
        loaded = await identity.credentials.load(token)
        assert loaded is not None
        assert identity.credentials.principal(token) is loaded
    assert (loaded.user_id, loaded.seller_id) == (seller.id, seller.id)
    assert (loaded.username, loaded.role, loaded.kind) == ("kiosk", "seller", "token")
    assert loaded.expires_at_us == identity.clock.us + LIFE_US


async def test_an_admin_is_no_seller(identity: Identity) -> None:
    await identity.admin("boss")
    principal = await identity.asks(await identity.token("boss"))
    assert principal is not None
    assert (principal.role, principal.seller_id) == ("admin", None)


async def test_an_api_key_acts_as_its_seller_and_does_not_expire(identity: Identity) -> None:
    seller = await identity.seller()
    key, secret = await identity.api_keys.create(seller.id, "till")
    async with identity.listening():
        assert await identity.asks(f"Bearer {secret}")
        identity.clock.advance(10 * 365 * 86_400)
        await heard(identity)
        principal = identity.credentials.principal(f"Bearer {secret}")
    assert principal is not None
    assert (principal.kind, principal.api_key_id, principal.seller_id) == ("api_key", key.id, seller.id)
    assert principal.expires_at_us == NEVER


@pytest.mark.parametrize("authorization", [None, "", "Bearer x", "Basic dTpw", "Bearer \udcff", "x" * 8000])
async def test_what_cannot_be_a_credential_is_refused_without_the_database(
    identity: Identity, authorization: str | None
) -> None:
    await identity.database._pool.close()
    assert await identity.asks(authorization) is None


async def test_an_unknown_credential_is_nobody(identity: Identity) -> None:
    assert await identity.asks(made_up()) is None


async def test_the_scheme_may_be_written_in_any_case(identity: Identity) -> None:
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    async with identity.listening():
        assert await identity.asks(token)
        assert identity.credentials.principal(token.replace("Bearer", "bearer"))
        assert identity.credentials.principal(token.replace("Bearer", "Basic!")) is None


async def test_the_secret_is_not_kept_in_memory(identity: Identity) -> None:
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    async with identity.listening():
        await identity.asks(token)
        kept = repr((identity.credentials._known, identity.credentials._waiting))
    assert token.removeprefix("Bearer ") not in kept


# --- revocation -------------------------------------------------------------------------------------------

BY_HAND = [
    "DELETE FROM shop.tokens",
    "UPDATE shop.tokens SET expires_at = created_at",
    "TRUNCATE shop.tokens",
    "UPDATE shop.users SET status = 'disabled' WHERE username = 'kiosk'",
    "TRUNCATE shop.users CASCADE",
]


@pytest.mark.parametrize("statement", BY_HAND)
async def test_a_token_revoked_by_hand_is_refused(
    identity: Identity, owner: asyncpg.Connection, statement: str
) -> None:
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    async with identity.listening():
        assert await identity.asks(token)
        await owner.execute(statement)
        await heard(identity)
        assert identity.credentials.principal(token) is None
        if "expires_at" not in statement:  # by the clock of the service that one goes on for a while
            assert await identity.asks(token) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE shop.api_keys SET revoked_at = now()",
        "DELETE FROM shop.api_keys",
        "UPDATE shop.users SET status = 'disabled' WHERE username = 'kiosk'",
        "TRUNCATE shop.api_keys",
    ],
)
async def test_a_key_revoked_by_hand_is_refused(identity: Identity, owner: asyncpg.Connection, statement: str) -> None:
    seller = await identity.seller("kiosk")
    _, secret = await identity.api_keys.create(seller.id, "till")
    async with identity.listening():
        assert await identity.asks(f"Bearer {secret}")
        await owner.execute(statement)
        await heard(identity)
        assert await identity.asks(f"Bearer {secret}") is None


async def test_a_change_of_role_or_name_is_seen(identity: Identity, owner: asyncpg.Connection) -> None:
    await identity.admin("boss")
    token = await identity.token("boss")
    async with identity.listening():
        assert await identity.asks(token)
        await owner.execute("UPDATE shop.users SET role = 'seller', username = 'kiosk'")
        await heard(identity)
        principal = await identity.asks(token)
    assert principal is not None
    assert (principal.role, principal.username) == ("seller", "kiosk")


async def test_what_ends_in_one_instance_ends_in_the_other(
    identity: Identity, database: Database, clock: Clock
) -> None:
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    async with instance(database, clock) as other, other.listening():
        principal = await other.asks(token)
        assert principal is not None
        await identity.tokens.end(principal.digest)
        await heard(other)
        assert await other.asks(token) is None


async def test_what_ends_here_is_refused_at_once(identity: Identity) -> None:
    """Before any notification has come."""
    seller = await identity.seller("kiosk")
    token = await identity.token("kiosk")
    key, secret = await identity.api_keys.create(seller.id, "till")
    async with identity.listening():
        principal = await identity.asks(token)
        assert principal is not None
        await identity.tokens.end(principal.digest)
        assert identity.credentials.principal(token) is None
        assert await identity.asks(f"Bearer {secret}")
        await identity.api_keys.revoke(seller.id, key.id)
        assert identity.credentials.principal(f"Bearer {secret}") is None


async def test_others_are_not_looked_up_again(identity: Identity) -> None:
    await identity.seller("one")
    await identity.seller("two")
    one, two = await identity.token("one"), await identity.token("two")
    async with identity.listening():
        ended = await identity.asks(one)
        assert ended is not None
        await identity.asks(two)
        await identity.tokens.end(ended.digest)
        await heard(identity)
        assert identity.credentials.principal(two)


async def test_writing_when_a_key_was_used_revokes_nothing(identity: Identity) -> None:
    seller = await identity.seller()
    _, secret = await identity.api_keys.create(seller.id, "till")
    async with identity.listening():
        assert await identity.asks(f"Bearer {secret}")
        await identity.last_used.flush()
        await heard(identity)
        assert identity.credentials.principal(f"Bearer {secret}")


async def test_a_revocation_during_the_look_up_is_not_lost(
    identity: Identity, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row was read, then revoked, then its principal arrives: it must not stay in memory."""
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    async with identity.listening():
        find = identity.credentials._find

        async def find_and_lose(secrets: list[str]):
            found = await find(secrets)
            await owner.execute("DELETE FROM shop.tokens")
            await heard(identity)
            return found

        monkeypatch.setattr(identity.credentials, "_find", find_and_lose)
        assert await identity.credentials.load(token), "it was valid when it was asked about"
        monkeypatch.setattr(identity.credentials, "_find", find)
        assert identity.credentials.principal(token) is None
        assert await identity.asks(token) is None


# --- time and trust ---------------------------------------------------------------------------------------


async def test_a_token_lives_twelve_hours_to_the_microsecond(identity: Identity) -> None:
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    async with identity.listening():
        assert await identity.asks(token)
        identity.clock.us += LIFE_US - 1
        await heard(identity)
        assert identity.credentials.principal(token)
        assert await identity.credentials.load(token)
        identity.clock.us += 1
        await heard(identity)
        assert await identity.asks(token) is None


async def test_memory_is_not_believed_when_the_listener_was_silent(
    identity: Identity, owner: asyncpg.Connection
) -> None:
    """A stopped process, a stuck server, a cable: the time since the last ping says it all."""
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    async with identity.listening():
        await identity.asks(token)
        await heard(identity)
        assert identity.credentials.principal(token)
        identity.clock.advance(TRUST_S)
        assert identity.credentials.principal(token) is None
        await heard(identity)
        assert identity.credentials.principal(token), "nothing was missed: the memory is good again"


async def test_trust_counts_from_before_the_ping_was_sent(clock: Clock, database: Database) -> None:
    sent_at = []

    class Slow(asyncpg.Connection):
        async def execute(self, *args, **kwargs):
            sent_at.append(clock.monotonic())
            answer = await super().execute(*args, **kwargs)
            clock.advance(5)
            return answer

    async def connect():
        return await asyncpg.connect(database.app_url, connection_class=Slow)

    async with listening(Revocations(connect, lambda _: None, clock.monotonic)) as revocations:
        await revocations.ping()
        assert revocations.trusted_until == sent_at[-1] + TRUST_S


async def test_nothing_is_kept_while_nobody_listens(identity: Identity) -> None:
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    for _ in range(2):
        assert identity.credentials.principal(token) is None
        assert await identity.credentials.load(token)
    assert not identity.credentials._known


async def test_a_lost_listener_empties_the_memory_and_comes_back(identity: Identity, owner: asyncpg.Connection) -> None:
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    async with identity.listening():
        await identity.asks(token)
        lost = asyncio.Event()
        connection = identity.credentials.revocations._connection
        assert connection is not None
        connection.add_termination_listener(lambda _: lost.set())
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listener'"
        )
        await lost.wait()
        assert identity.credentials.principal(token) is None
        assert not identity.credentials._known
        await owner.execute("DELETE FROM shop.tokens")  # unheard
        await until_listening(identity.credentials.revocations)
        assert await identity.asks(token) is None


async def test_a_connection_that_does_not_pass_notifications_on_is_never_trusted(
    clock: Clock, database: Database
) -> None:
    """Such as a pooler's: LISTEN succeeds there, and nothing is ever heard."""
    has_asked = asyncio.Event()

    class Deaf(asyncpg.Connection):
        async def add_listener(self, channel, callback):
            assert channel == CHANNEL

        async def execute(self, *args, **kwargs):
            has_asked.set()
            return await super().execute(*args, **kwargs)

    async def connect():
        return await asyncpg.connect(database.app_url, connection_class=Deaf)

    revocations = Revocations(connect, lambda _: None, clock.monotonic)
    running = asyncio.create_task(revocations.run())
    await has_asked.wait()
    assert not revocations.is_listening
    assert revocations.trusted_until == 0
    running.cancel()
    await asyncio.wait({running})


# --- bounds -----------------------------------------------------------------------------------------------


def smaller(identity: Identity, **bounds: int) -> Credentials:
    identity.credentials = Credentials(
        identity.database,
        identity.credentials.revocations._connect,
        last_used=identity.last_used,
        now_us=identity.clock.now_us,
        monotonic=identity.clock.monotonic,
        **bounds,
    )
    return identity.credentials


async def test_memory_is_bounded_and_what_was_let_go_of_is_read_again(identity: Identity) -> None:
    await identity.seller("kiosk")
    tokens = [await identity.token("kiosk") for _ in range(4)]
    credentials = smaller(identity, known_max=3)
    async with identity.listening():
        for token in tokens[:3]:
            await identity.asks(token)
        await identity.asks(tokens[3])
        assert credentials.principal(tokens[0]) is None
        assert all(credentials.principal(tokens[n]) for n in (1, 2, 3))
        await identity.asks(tokens[0])
        assert credentials.principal(tokens[1]) is None
        assert all(credentials.principal(tokens[n]) for n in (2, 3, 0))
        assert sum(map(len, credentials._digests_of.values())) == len(credentials._known) == 3
        credentials.forget(None)
        assert not credentials._digests_of


async def test_misses_that_come_together_travel_together(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand made-up credentials beside a good one are two statements, not a thousand and one."""
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    find, sizes = identity.credentials._find, list[int]()

    async def counted(secrets: list[str]):
        sizes.append(len(secrets))
        return await find(secrets)

    monkeypatch.setattr(identity.credentials, "_find", counted)
    answers = await asyncio.gather(
        *(identity.credentials.load(made_up()) for _ in range(1_500)),
        *(identity.credentials.load(token) for _ in range(50)),
    )
    assert [answer is not None for answer in answers] == [False] * 1_500 + [True] * 50
    assert sizes == [1_000, 501]


async def test_too_many_misses_are_refused_and_the_rest_is_answered(identity: Identity) -> None:
    credentials = smaller(identity, waiting_max=10)
    loads = [asyncio.create_task(credentials.load(made_up())) for _ in range(11)]
    answers = await asyncio.gather(*loads, return_exceptions=True)
    assert answers[:10] == [None] * 10
    assert isinstance(answers[10], Overloaded)
    assert await credentials.load(made_up()) is None


async def test_a_caller_that_goes_away_takes_nobody_along(identity: Identity) -> None:
    await identity.seller("kiosk")
    token = await identity.token("kiosk")
    first, second = (asyncio.create_task(identity.credentials.load(token)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second


async def test_without_the_database_the_fault_is_named(identity: Identity) -> None:
    await identity.database._pool.close()
    with pytest.raises(JournalUnavailable):
        await identity.credentials.load(made_up())
    with pytest.raises(JournalUnavailable):
        await identity.credentials.load(made_up())


async def test_a_bug_in_the_look_up_leaves_nobody_waiting(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(secrets: list[str]):
        raise ZeroDivisionError

    find = identity.credentials._find
    monkeypatch.setattr(identity.credentials, "_find", broken)
    loads = [asyncio.create_task(identity.credentials.load(made_up())) for _ in range(1_001)]
    answers = await asyncio.gather(*loads, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ZeroDivisionError}
    monkeypatch.setattr(identity.credentials, "_find", find)
    assert await identity.credentials.load(made_up()) is None
