"""Backup and restore as an operator meets them: real processes, a shop that sells meanwhile, and one line for whatever
is in the way."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from journal.restores import confirm_restores, record_restore, restores
from journal.times import parse_time
from tests.conftest import Database
from tests.processes.running import (
    ADMIN_PASSWORD,
    PASSWORD,
    Client,
    Finished,
    Serving,
    asking,
    charge_shop,
    new_seller,
    serving,
    until_ready,
)

FROZEN = "charge-shop confirm-restore"
CUSTOMERS = 8


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        yield session


@pytest.fixture
async def backup(tmp_path: Path) -> Path:
    """Of a shop at rest with nothing in it but its first admin."""
    async with serving("--data-dir", str(tmp_path / "data")):
        pass
    made = await charge_shop("backup", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "data"))
    assert made.status == 0, made
    return tmp_path / "backup"


def refusal(ended: Finished) -> str:
    lines = [line for line in ended.err.splitlines() if line]
    assert (ended.status, len(lines)) == (2, 1), ended
    return lines[0]


class Sales:
    """Customers who sell until they are told to leave; what was acknowledged, with the answer to each key."""

    def __init__(self, seller: Client) -> None:
        self._seller = seller
        self._is_leaving = False
        self.acknowledged: dict[str, bytes] = {}

    async def run(self) -> None:
        await asyncio.gather(*(self._sell(customer) for customer in range(CUSTOMERS)))

    def leave(self) -> None:
        self._is_leaving = True

    async def more(self, count: int) -> None:
        wanted = len(self.acknowledged) + count
        while len(self.acknowledged) < wanted:
            await asyncio.sleep(0.001)

    async def _sell(self, customer: int) -> None:
        sold = 0
        while not self._is_leaving:
            key = f"{customer}-{sold}"
            status, body, _, content = await self._seller.charge("0.01", key)
            assert status == 201, body
            self.acknowledged[key] = content
            sold += 1


async def test_a_shop_that_sells_is_backed_up_and_comes_back_with_all_that_was_acknowledged_before(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """Its answers are the same to the byte. Reads are answered at once; changes when an operator has confirmed."""
    folder = tmp_path / "backup"
    async with serving("--data-dir", str(tmp_path / "data")) as shop:
        admin = await Client(http, shop.address).signed_in("admin", ADMIN_PASSWORD)
        _, seller = await new_seller(admin, "1000.00")
        _, hold, _, _ = await seller.ask(
            "POST",
            "/v1/charges",
            {"phone_number": "+15550100001", "amount": "5.00", "capture": False},
        )
        sales = Sales(seller)
        selling = asyncio.create_task(sales.run())
        await sales.more(100)
        before = dict(sales.acknowledged)
        made = await charge_shop("backup", str(folder), "--data-dir", str(tmp_path / "data"))
        assert made.status == 0, made
        await sales.more(100)
        sales.leave()
        await selling
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    passwords = [line.rsplit(":", 1)[1] for line in (folder / "pgpass").read_text().splitlines()]
    assert not any(password in made.out + made.err for password in passwords)

    options = ("--data-dir", str(tmp_path / "restored"))
    restored = await charge_shop("restore", str(folder), *options)
    assert restored.status == 0, restored
    assert "the journal is what it should be" in restored.out
    verified = await charge_shop("verify", "--heads", str(folder / "heads"), *options)
    assert verified.status == 0, verified
    assert FROZEN in verified.out

    async with serving(*options) as shop:
        again = seller.at(shop.address)
        await until_ready(again)
        await said(shop, FROZEN)
        await _is_frozen(admin.at(shop.address), again, hold["id"], before)
        confirmed = await charge_shop("confirm-restore", *options)
        assert confirmed.status == 0, confirmed
        async with asyncio.timeout(30):
            while (await again.charge("0.01", "sold after it was confirmed"))[0] != 201:
                await asyncio.sleep(0.01)
        answers = await asyncio.gather(*(is_same(again, key, content) for key, content in before.items()))
        assert all(answers)
        assert (await again.ask("POST", f"/v1/charges/{hold['id']}/capture"))[0] == 200
        assert "no restore waits" in refusal(await charge_shop("confirm-restore", *options))
    verified = await charge_shop("verify", "--heads", str(folder / "heads"), *options)
    assert verified.status == 0, verified
    assert "confirmed at" in verified.out
    assert FROZEN not in verified.out


async def _is_frozen(admin: Client, seller: Client, hold_id: str, before: dict[str, bytes]) -> None:
    status, balance, _, _ = await seller.ask("GET", "/v1/balance")
    assert (status, balance["held"]) == (200, "5.00"), balance
    assert (await seller.ask("GET", f"/v1/charges/{hold_id}"))[1]["status"] == "pending"
    # What was answered before is no change.
    key, content = next(iter(before.items()))
    assert await is_same(seller, key, content)
    one = {"phone_number": "+15550100001", "amount": "0.01"}
    refused = [
        await seller.charge("0.01", "new"),
        await seller.charge("0.01"),
        await seller.ask("POST", f"/v1/charges/{hold_id}/void"),
        await seller.ask("POST", "/v1/charges/batch", {"mode": "independent", "charges": [one]}),
        await seller.ask("POST", "/v1/charges/batch", {"mode": "atomic", "charges": [one]}),
        await seller.ask("POST", "/v1/credit-requests", {"amount": "1.00"}),
        await admin.ask("PATCH", f"/v1/sellers/{balance['seller_id']}", {"status": "suspended"}),
        await admin.ask("POST", "/v1/sellers", {"username": "late", "password": PASSWORD, "name": "Late"}),
    ]
    for status, problem, headers, _ in refused:
        assert (status, problem["code"]) == (503, "journal_unavailable")
        assert FROZEN in problem["detail"]
        assert int(headers["Retry-After"]) > 0
    assert (await seller.ask("GET", "/v1/balance"))[1]["seq"] == balance["seq"]
    metrics = await admin.session.get(f"{admin.address}/metrics")
    assert "charge_shop_journal_frozen 1.0" in await metrics.text()


async def is_same(seller: Client, key: str, content: bytes) -> bool:
    """Whether the key was used up by the charge that was acknowledged."""
    status, _, headers, again = await seller.charge("0.01", key)
    return headers.get("Idempotent-Replayed") == "true" and (status, again) == (201, content)


async def said(shop: Serving, text: str) -> None:
    while not any(text in line for line in shop.log):
        await asyncio.sleep(0.01)


async def test_a_served_journal_is_frozen_by_hand_while_it_is_served(
    database: Database, http: aiohttp.ClientSession
) -> None:
    url = {"CHARGE_SHOP_DATABASE_URL": database.app_url, "CHARGE_SHOP_MIGRATION_URL": database.owner_url}
    async with serving(extra=url) as shop:
        admin = Client(http, shop.address)
        await until_ready(admin)
        admin = await admin.signed_in("admin", ADMIN_PASSWORD)
        _, seller = await new_seller(admin, "10.00")
        marked = await charge_shop("mark-restored", extra=url)
        assert marked.status == 0, marked
        # From this moment on, whoever leads.
        status, problem, _, _ = await seller.charge("1.00")
        assert (status, problem["code"]) in {(503, code) for code in ("not_applied", "standby", "journal_unavailable")}
        await until_ready(admin)
        assert (await seller.ask("GET", "/v1/balance"))[1]["available"] == "10.00"
        confirmed = await charge_shop("confirm-restore", extra=url)
        assert confirmed.status == 0, confirmed
        async with asyncio.timeout(30):
            while (await seller.charge("1.00", "once"))[0] != 201:
                await asyncio.sleep(0.01)
        assert (await seller.ask("GET", "/v1/balance"))[1]["available"] == "9.00"


@pytest.mark.parametrize(
    ("typed", "status"),
    [(None, 130), (b"\x04", 2), (b"\n", 2), (b"no\n", 2), (b"\xff\n", 2), (b" Yes\n", 0)],
    ids=["Ctrl-C", "Ctrl-D", "nothing", "no", "no text", "yes"],
)
async def test_an_operator_at_a_terminal_is_asked_and_may_leave(
    database: Database, typed: bytes | None, status: int
) -> None:
    """What waits is shown first; nothing but a yes confirms it, and Ctrl-C ends the command at once."""
    url = {"CHARGE_SHOP_DATABASE_URL": database.app_url, "CHARGE_SHOP_MIGRATION_URL": database.owner_url}
    await record_restore(database.owner_url, by="somebody")
    async with asking("confirm-restore", extra=url) as command:
        await command.until_it_asks("by somebody, up to position 0: waits for `charge-shop confirm-restore`\n")
        await command.until_it_asks("Take changes from here on? [y/N] ")
        ended, said = await command.answered(typed)
        assert ended == status, said
        assert "Traceback" not in said
        assert ("nothing was confirmed" in said) == (status == 2), said
    (restore,) = await restores(database.app_url)
    assert (restore.confirmed_at is not None) == (status == 0)


async def test_no_question_where_nothing_waits(database: Database) -> None:
    url = {"CHARGE_SHOP_DATABASE_URL": database.app_url, "CHARGE_SHOP_MIGRATION_URL": database.owner_url}
    async with asking("confirm-restore", extra=url) as command:
        ended, said = await command.end()
        assert (ended, "no restore waits" in said) == (2, True), said


async def test_a_hold_whose_time_is_over_waits_for_the_confirmation_too(
    database: Database, http: aiohttp.ClientSession
) -> None:
    """To give it back is to write. Until then the account is told as it was before that time."""
    url = {"CHARGE_SHOP_DATABASE_URL": database.app_url, "CHARGE_SHOP_MIGRATION_URL": database.owner_url}
    async with serving(extra=url) as shop:
        admin = Client(http, shop.address)
        await until_ready(admin)
        _, seller = await new_seller(await admin.signed_in("admin", ADMIN_PASSWORD), "10.00")
        hold = {"phone_number": "+15550100001", "amount": "5.00", "capture": False, "expires_in": 4}
        _, held, _, _ = await seller.ask("POST", "/v1/charges", hold)
        await record_restore(database.owner_url, by="operator")
        await said(shop, "journal_frozen")
        expires_at_us = parse_time(held["expires_at"])
        assert expires_at_us is not None
        async with asyncio.timeout(30):
            while expires_at_us > time.time_ns() // 1_000:
                await asyncio.sleep(0.01)
        status, balance, _, _ = await seller.ask("GET", "/v1/balance")
        assert (status, balance["held"], balance["available"]) == (200, "5.00", "5.00")
        assert balance["as_of"] < held["expires_at"]
        await confirm_restores(database.owner_url, by="operator")
        async with asyncio.timeout(30):
            while (await seller.ask("GET", "/v1/balance"))[1]["held"] != "0.00":
                await asyncio.sleep(0.01)
        _, charge, _, _ = await seller.ask("GET", f"/v1/charges/{held['id']}")
        assert charge["status"] == "expired"


async def test_whatever_is_in_the_way_is_one_line(tmp_path: Path, backup: Path) -> None:
    data, empty = ("--data-dir", str(tmp_path / "data")), ("--data-dir", str(tmp_path / "empty"))
    assert "is not empty" in refusal(await charge_shop("backup", str(backup), *data))
    within = tmp_path / "data" / "postgres" / "cluster" / "new"
    assert "is in the folder of the database" in refusal(await charge_shop("backup", str(within), *data))
    assert "there is no shop" in refusal(await charge_shop("backup", str(tmp_path / "new"), *empty))
    assert "there is a shop" in refusal(await charge_shop("restore", str(backup), *data))
    assert "is not a backup" in refusal(await charge_shop("restore", str(tmp_path / "data"), *empty))
    for command in ("backup", "restore"):
        served = await charge_shop(command, str(backup), "--database-url", "postgres://nobody@localhost/x")
        assert "its own tools" in refusal(served)
    async with serving(*data):
        assert "is in use" in refusal(await charge_shop("restore", str(backup), *data))

    version = backup / "cluster" / "PG_VERSION"
    version.write_text("17\n")
    assert "PostgreSQL 17" in refusal(await charge_shop("restore", str(backup), *empty))
    version.write_text("18\n")
    size = (backup / "cluster" / "global" / "pg_control").stat().st_size
    (backup / "cluster" / "global" / "pg_control").write_bytes(bytes(size))
    assert "is not what it was" in refusal(await charge_shop("restore", str(backup), *empty))
    assert not (tmp_path / "empty" / "postgres").exists()
    assert not (tmp_path / "empty" / "restoring").exists()


async def test_passwords_that_were_put_back_for_all_to_read_are_made_private(tmp_path: Path, backup: Path) -> None:
    """Else they are private no more, and a backup fails: its program passes over them."""
    pgpass = tmp_path / "data" / "pgpass"
    pgpass.chmod(0o644)
    again = await charge_shop("backup", str(tmp_path / "again"), "--data-dir", str(tmp_path / "data"))
    assert again.status == 0, again
    assert pgpass.stat().st_mode & 0o777 == 0o600


async def test_a_backup_that_lacks_what_its_heads_tell_of_is_not_restored(tmp_path: Path, backup: Path) -> None:
    lost = '{"seller_id":"0192f3c4-5678-7abc-8def-0123456789ab","seq":7,"hash":"' + "00" * 32 + '"}\n'
    (backup / "heads").write_text(lost)
    ended = await charge_shop("restore", str(backup), "--data-dir", str(tmp_path / "empty"))
    assert ended.status == 1, ended
    assert "first bad entry: seller=0192f3c4-5678-7abc-8def-0123456789ab seq=1 " in ended.out
    assert not (tmp_path / "empty" / "postgres").exists()


async def test_an_interrupted_restore_is_never_taken_for_a_shop(tmp_path: Path, backup: Path) -> None:
    """Killed with everything copied: nothing starts there but the next restore, which begins from nothing."""
    options = ("--data-dir", str(tmp_path / "restored"))
    unfinished = tmp_path / "restored" / "restoring" / "postgres"
    unfinished.mkdir(parents=True)
    shutil.copytree(backup / "cluster", unfinished / "cluster")
    shutil.copy(backup / "pgpass", tmp_path / "restored" / "pgpass")
    for command in (["serve", "--port", "0"], ["verify"], ["migrate"], ["backup", str(tmp_path / "new")]):
        assert "run `charge-shop restore` again" in refusal(await charge_shop(*command, *options))
    restored = await charge_shop("restore", str(backup), *options)
    assert restored.status == 0, restored
    assert not unfinished.exists()
    verified = await charge_shop("verify", *options)
    assert verified.status == 0, verified
