"""The service as its operator meets it: processes, signals, files, and one clear line for everything in the way."""

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg
import pytest

from tests.conftest import Database
from tests.processes.running import (
    ADMIN_PASSWORD,
    Client,
    asking,
    charge_shop,
    data_dir,
    environment,
    new_seller,
    serving,
    until_ready,
)

FULL = Path("/dev/full")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:
        yield session


def one_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line]
    assert len(lines) == 1, text
    return lines[0]


async def test_a_restart_keeps_everything_and_repeats_answers_to_the_byte(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """The password is printed by the first start only, also in its curl lines; Ctrl-C ends in order; the same key gets
    the same answer."""
    options = ("--data-dir", data_dir(tmp_path))
    async with serving(*options, extra={"CHARGE_SHOP_ADMIN_PASSWORD": ""}) as first:
        said = "".join(first.log) + await first.until_it_says("password: ") if first.reading is None else ""
        while "Press Ctrl-C" not in said:
            await asyncio.sleep(0)
            said = "".join(first.log)
        password = re.search(r"password: (\S+)", said)
        assert password is not None
        assert "ADMIN_PASSWORD" not in said
        admin = await Client(http, first.address).signed_in("admin", password[1])
        _, seller = await new_seller(admin, "10.00")
        status, _, _, sold = await seller.charge("10.00", "sold")
        assert status == 201
        declined = await seller.charge("0.01", "declined")
        assert declined[0] == 402
        assert await first.end(signal.SIGINT) == 0
    async with serving(*options) as second:
        await until_ready(seller.at(second.address))
        again = seller.at(second.address)
        status, _, headers, body = await again.charge("10.00", "sold")
        assert (status, body, headers["Idempotent-Replayed"]) == (201, sold, "true")
        await new_credit(admin.at(second.address), again, "5.00")
        status, problem, headers, _ = await again.charge("0.01", "declined")
        assert (status, headers["Idempotent-Replayed"]) == (402, "true")
        assert problem | {"request_id": ""} == declined[1] | {"request_id": ""}
        assert (await again.charge("0.01", "a new key"))[0] == 201
        assert await second.end() == 0
        said = "".join(second.log)
        assert "password:" not in said
        assert "for ADMIN_PASSWORD" in said, "the curl lines hold a word to replace"


async def new_credit(admin: Client, seller: Client, amount: str) -> None:
    status, request, _, _ = await seller.ask("POST", "/v1/credit-requests", {"amount": amount})
    assert status == 201, request
    status, body, _, _ = await admin.ask("POST", f"/v1/credit-requests/{request['id']}/approve")
    assert status == 200, body


async def test_killed_under_load_every_acknowledged_charge_is_there_once(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    options = ("--data-dir", data_dir(tmp_path))
    acknowledged: dict[str, bytes] = {}
    unanswered: list[str] = []

    async with serving(*options) as first:
        admin = await Client(http, first.address).signed_in("admin", ADMIN_PASSWORD)
        seller_id, seller = await new_seller(admin, "1000.00")

        async def sell(worker: int) -> None:
            for n in range(10_000):
                key = f"{worker}-{n}"
                unanswered.append(key)
                try:
                    status, _, _, body = await seller.charge("0.01", key)
                except aiohttp.ClientError:
                    return
                if status == 201:
                    unanswered.remove(key)
                    acknowledged[key] = body
                if len(acknowledged) == 500:
                    await first.kill()

        await asyncio.gather(*(sell(worker) for worker in range(32)))
        assert first.process.returncode == -signal.SIGKILL

    async with serving(*options) as second:
        again = seller.at(second.address)
        await until_ready(again)
        for key, body in acknowledged.items():
            assert (await again.charge("0.01", key))[3] == body
        for key in unanswered:
            assert (await again.charge("0.01", key))[0] == 201
        sold = len(acknowledged) + len(unanswered)
        _, balance, _, _ = await again.ask("GET", "/v1/balance")
        assert balance["available"] == f"{1000 - sold / 100:.2f}"
        assert balance["seq"] == 2 + sold
        verified = await charge_shop("verify", *options)
        assert verified.status == 0, verified
        assert seller_id


async def test_a_hundred_credits_sell_a_hundred_charges_and_one_key_sells_one(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with serving("--data-dir", data_dir(tmp_path)) as shop:
        admin = await Client(http, shop.address).signed_in("admin", ADMIN_PASSWORD)
        _, seller = await new_seller(admin, "100.00")
        answers = await asyncio.gather(*(seller.charge("1.00") for _ in range(200)))
        assert sorted(answer[0] for answer in answers) == [201] * 100 + [402] * 100
        _, balance, _, _ = await seller.ask("GET", "/v1/balance")
        assert (balance["available"], balance["held"]) == ("0.00", "0.00")
        await new_credit(admin, seller, "100.00")
        answers = await asyncio.gather(*(seller.charge("1.00", "one key") for _ in range(50)))
        assert {(status, body) for status, _, _, body in answers} == {(201, answers[0][3])}
        assert sum("Idempotent-Replayed" in headers for _, _, headers, _ in answers) == 49
        _, balance, _, _ = await seller.ask("GET", "/v1/balance")
        assert balance["available"] == "99.00"


async def test_no_busy_connection_is_cut_at_a_stop(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Twenty clients that never pause: each of their requests is answered, the last one with `Connection: close`."""
    async with serving("--data-dir", data_dir(tmp_path)) as shop:
        admin = await Client(http, shop.address).signed_in("admin", ADMIN_PASSWORD)
        _, seller = await new_seller(admin, "1000.00")
        cut: list[BaseException] = []
        answered = 0

        async def sell() -> None:
            nonlocal answered
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
                client = Client(session, shop.address, seller.token)
                while True:
                    try:
                        status, _, headers, _ = await client.charge("0.01")
                    except aiohttp.ClientConnectorError:
                        return  # A new connection: nobody accepts it any more.
                    except aiohttp.ClientError as error:
                        cut.append(error)
                        return
                    assert status in (201, 503)
                    answered += 1
                    if headers.get("Connection") == "close":
                        return

        async def stop() -> None:
            while answered < 200:
                await asyncio.sleep(0)
            shop.process.send_signal(signal.SIGTERM)

        await asyncio.gather(stop(), *(sell() for _ in range(20)))
        assert await shop.process.wait() == 0
        assert cut == []


async def test_a_service_that_stops_says_so_to_whoever_comes_while_it_still_answers(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with serving("--data-dir", data_dir(tmp_path)) as shop:
        client = Client(http, shop.address)
        port = int(shop.address.rpartition(":")[2])
        slow, sending = await asyncio.open_connection("127.0.0.1", port)
        sending.write(b"POST /v1/auth/token HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n")
        sending.write(b"Content-Length: 2\r\n\r\n{")
        await sending.drain()
        assert (await client.ask("GET", "/readyz"))[0] == 200
        shop.process.send_signal(signal.SIGTERM)
        while (ready := await client.ask("GET", "/readyz"))[0] == 200:
            pass
        # Each answer ends its connection, so this is a new one.
        assert ready[:2] == (await client.ask("GET", "/readyz"))[:2] == (503, {"status": "draining"})
        sending.write(b"}")
        assert (await slow.readline()).startswith(b"HTTP/1.1 422 ")
        sending.close()
        assert await shop.process.wait() == 0


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A way to the database on which nothing arrives any more once the event is cleared. `url` names a Unix socket."""
    upstream = urlsplit(url)
    query = parse_qs(upstream.query)
    is_open = asyncio.Event()
    is_open.set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await is_open.wait()
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = await asyncio.open_unix_connection(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}")
        await asyncio.gather(pump(reader, far[1]), pump(far[0], writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        credential, port = upstream.netloc.rpartition("@")[0], server.sockets[0].getsockname()[1]
        yield f"postgresql://{credential}@127.0.0.1:{port}{upstream.path}?sslmode=disable", is_open
        is_open.set()


async def test_a_stop_does_not_wait_for_a_database_that_does_not_answer(
    database: Database, http: aiohttp.ClientSession
) -> None:
    async with line_to(database.owner_url) as (url, is_open), serving(extra={"CHARGE_SHOP_DATABASE_URL": url}) as shop:
        await until_ready(Client(http, shop.address))
        is_open.clear()
        shop.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await shop.process.wait() == 0


async def test_a_standby_takes_over_when_the_first_is_killed(database: Database, http: aiohttp.ClientSession) -> None:
    url = {"CHARGE_SHOP_DATABASE_URL": database.owner_url, "CHARGE_SHOP_LEASE_TTL_S": "2"}
    async with serving(extra=url) as first:
        await until_ready(Client(http, first.address))
        admin = await Client(http, first.address).signed_in("admin", ADMIN_PASSWORD)
        _, seller = await new_seller(admin, "10.00")
        assert (await seller.charge("1.00", "sold"))[0] == 201
        async with serving(extra=url) as second:
            waiting = seller.at(second.address)
            status, problem, headers, _ = await waiting.charge("1.00", "waited")
            assert (status, problem["code"]) == (503, "standby")
            assert int(headers["Retry-After"]) > 0
            assert (await waiting.ask("GET", "/v1/nothing"))[1]["code"] in ("standby", "not_found")
            assert (await waiting.ask("GET", "/readyz"))[0] == 503
            assert (await waiting.ask("GET", "/healthz"))[0] == 200
            await first.kill()
            loop = asyncio.get_running_loop()
            killed_at = loop.time()
            await until_ready(waiting)
            # The lease's two seconds, and what a loaded test machine may add.
            assert loop.time() - killed_at < 2 * 2.0
            assert (await waiting.charge("1.00", "sold"))[2]["Idempotent-Replayed"] == "true"
            assert (await waiting.charge("1.00", "waited"))[0] == 201


async def test_a_second_service_on_the_same_data_directory_is_refused_in_one_line(tmp_path: Path) -> None:
    async with serving("--data-dir", data_dir(tmp_path)):
        refused = await charge_shop("serve", "--port", "0", "--data-dir", data_dir(tmp_path))
        assert refused.status == 2
        assert "in use" in one_line(refused.err)


async def test_without_its_assertions_nothing_starts(tmp_path: Path) -> None:
    """The last look at an entry, before it is written and when it is verified, is an assertion: PYTHONOPTIMIZE, which
    may be set for the whole machine, takes them all out."""
    for command in ("verify", "serve"):
        ended = await charge_shop(command, "--data-dir", data_dir(tmp_path), extra={"PYTHONOPTIMIZE": "1"})
        assert (ended.status, ended.out) == (2, "")
        assert "PYTHONOPTIMIZE" in one_line(ended.err)
    assert not Path(data_dir(tmp_path)).exists()


async def test_what_is_in_the_way_of_a_start_is_told_in_one_line(tmp_path: Path, empty_database: Database) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = await charge_shop("serve", "--port", port, "--data-dir", data_dir(tmp_path))
        assert refused.status == 2
        assert port in one_line(refused.err)

    nowhere = await charge_shop("serve", "--port", "0", "--database-url", "postgresql://x:secret@127.0.0.1:1/x")
    assert nowhere.status == 2
    assert "secret" not in one_line(nowhere.err)

    owner = await asyncpg.connect(empty_database.owner_url)
    assert (await charge_shop("migrate", "--database-url", empty_database.owner_url)).status == 0
    await owner.execute("INSERT INTO shop.migrations (version, name, sha256) VALUES (999, 'later', sha256('x'))")
    await owner.close()
    newer = await charge_shop("serve", "--port", "0", "--database-url", empty_database.owner_url)
    assert newer.status == 2
    assert "newer" in one_line(newer.err) or "later" in one_line(newer.err)

    for wrong in (["--port", "x"], ["--currency", "XXY"], ["--nonsense"], ["--database-url", "mysql://x"]):
        ended = await charge_shop("serve", *wrong)
        assert ended.status == 2
        assert wrong[0] in one_line(ended.err)


@pytest.mark.parametrize("redirection", ["<&-", "<&- >&-", ">/dev/full"])
async def test_it_serves_without_streams_and_on_a_full_disk_under_them(
    tmp_path: Path, http: aiohttp.ClientSession, redirection: str
) -> None:
    """As some programs start theirs; a stream that is closed must not become a file or a client."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "service", "serve"),
        *("--port", "0", "--log-format", "json", "--data-dir", data_dir(tmp_path)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            while '"serving"' not in (line := (await process.stderr.readline()).decode()):
                assert line, await process.wait()
            await until_ready(Client(http, json.loads(line)["address"]))
            process.terminate()
            said = (await process.stderr.read()).decode()
            assert (await process.wait(), "Traceback" in said) == (0, False), said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_a_command_without_streams_tells_by_its_status(database: Database, closed: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "service", "verify"),
        env=environment({"CHARGE_SHOP_DATABASE_URL": database.app_url}),
    )
    assert await process.wait() == 0


async def test_wrong_names_and_heads_are_told_in_one_line(tmp_path: Path, database: Database) -> None:
    url = {"CHARGE_SHOP_DATABASE_URL": database.owner_url}
    for command in ("create-admin", "reset-password"):
        refused = await charge_shop(command, "two words", stdin=ADMIN_PASSWORD, extra=url)
        assert refused.status == 2
        assert "username" in one_line(refused.err)

    heads = tmp_path / "heads"
    nobody = "0195f3a2-c4b0-7000-8000-002a5d3e9c41"
    good = {"seller_id": nobody, "seq": 1, "hash": "9f2c" * 16}
    for bad in ({"seller_id": "somebody"}, {"seq": 10**30}, {"hash": "9f2c"}):
        heads.write_text(json.dumps(good | bad))
        refused = await charge_shop("verify", "--heads", str(heads), extra=url)
        assert refused.status == 2
        assert "--heads" in one_line(refused.err)
    heads.write_text(json.dumps(good))
    gone = await charge_shop("verify", "--seller", nobody.upper(), "--heads", str(heads), extra=url)
    assert gone.status == 1
    assert f"first bad entry: seller={nobody} seq=1 " in gone.out


@pytest.mark.parametrize(("typed", "status"), [(None, 130), (b"\x04", 2)], ids=["Ctrl-C", "Ctrl-D"])
async def test_who_is_asked_for_a_password_may_leave(tmp_path: Path, typed: bytes | None, status: int) -> None:
    async with asking("create-admin", "boss", "--data-dir", data_dir(tmp_path)) as command:
        await command.until_it_asks("password for boss: ")
        ended, said = await command.answered(typed)
        assert ended == status, said
        assert "Traceback" not in said


async def test_a_password_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "create-admin", "boss", "--data-dir", data_dir(tmp_path)),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    _, said = await process.communicate(b"\xff" * 12 + b"\n")
    assert process.returncode == 2
    assert "not text" in one_line(said.decode())


async def test_a_start_for_which_too_few_connections_are_left_is_one_line(database: Database) -> None:
    """Enough to look at the database, too few to serve."""
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT 2")
    async with asyncio.timeout(60):
        refused = await charge_shop("serve", "--port", "0", extra={"CHARGE_SHOP_DATABASE_URL": database.app_url})
    assert refused.status == 2
    assert "too many connections" in refused.err.splitlines()[-1]
    assert "Traceback" not in refused.err
    await owner.close()


async def test_a_database_that_turns_read_only_is_told_in_the_log_and_outlived(
    database: Database, http: aiohttp.ClientSession
) -> None:
    """As providers make one that is nearly full. No flush is tried meanwhile that could say why nothing is served."""
    owner = await asyncpg.connect(database.owner_url)
    extra = {"CHARGE_SHOP_DATABASE_URL": database.app_url, "CHARGE_SHOP_MIGRATION_URL": database.owner_url}
    async with serving("--lease-ttl-s", "1", extra=extra) as shop, asyncio.timeout(60):
        client = Client(http, shop.address)
        await until_ready(client)
        await owner.execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
        await owner.fetch(cut, database.name)
        while not any("lease_not_reached" in line and "in a read-only transaction" in line for line in shop.log):
            await asyncio.sleep(0.01)
        await owner.execute(f"ALTER DATABASE {database.name} RESET default_transaction_read_only")
        await owner.fetch(cut, database.name)
        await until_ready(client)
    await owner.close()


async def test_a_seller_that_the_journal_does_not_know_is_not_called_whole(database: Database) -> None:
    nobody = "0195f3a2-c4b0-7000-8000-002a5d3e9c41"
    refused = await charge_shop("verify", "--seller", nobody, extra={"CHARGE_SHOP_DATABASE_URL": database.owner_url})
    assert refused.status == 2
    assert refused.out == ""
    assert nobody in one_line(refused.err)


async def test_heads_that_name_nobody_are_not_called_found(
    tmp_path: Path, http: aiohttp.ClientSession, database: Database
) -> None:
    """As of an export that failed, or was made before there was a seller."""
    url = {"CHARGE_SHOP_DATABASE_URL": database.owner_url}
    heads = tmp_path / "heads"
    heads.touch()
    nothing_yet = await charge_shop("verify", "--heads", str(heads), extra=url)
    assert nothing_yet.status == 0, nothing_yet
    async with serving(extra=url) as shop:
        await until_ready(Client(http, shop.address))
        admin = await Client(http, shop.address).signed_in("admin", ADMIN_PASSWORD)
        seller_id, _ = await new_seller(admin, "10.00")
    refused = await charge_shop("verify", "--heads", str(heads), extra=url)
    assert refused.status == 2
    assert refused.out == ""
    assert str(heads) in one_line(refused.err)
    heads.write_text(json.dumps({"seller_id": "0195f3a2-c4b0-7000-8000-002a5d3e9c41", "seq": 1, "hash": "9f2c" * 16}))
    refused = await charge_shop("verify", "--seller", seller_id, "--heads", str(heads), extra=url)
    assert refused.status == 2
    assert seller_id in one_line(refused.err)


@pytest.fixture
def full() -> Iterator[BinaryIO]:
    """A file that takes nothing."""
    with FULL.open("wb") as opened:
        yield opened


@pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("buffering", ["", "1"], ids=["buffered", "unbuffered"])
async def test_what_cannot_be_written_is_not_taken_for_a_bad_entry(
    database: Database, full: BinaryIO, buffering: str
) -> None:
    url = {"CHARGE_SHOP_DATABASE_URL": database.owner_url, "PYTHONUNBUFFERED": buffering}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "verify"),
        stdout=full,
        stderr=asyncio.subprocess.PIPE,
        env=environment(url),
    )
    _, said = await process.communicate()
    assert process.returncode == 2, said
    assert "output" in one_line(said.decode())


@pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")
async def test_a_full_disk_under_all_that_a_command_says_is_no_bad_entry(
    tmp_path: Path, database: Database, full: BinaryIO
) -> None:
    """As `verify >> log 2>&1` on a full disk, with a journal that is whole, and with none."""
    for options in (("--database-url", database.owner_url), ("--data-dir", data_dir(tmp_path))):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "verify", *options), stdout=full, stderr=full, env=environment()
        )
        assert await process.wait() == 2


async def test_what_a_superuser_changed_is_found_with_seller_and_seq(
    tmp_path: Path, http: aiohttp.ClientSession, database: Database
) -> None:
    url = {"CHARGE_SHOP_DATABASE_URL": database.owner_url}
    async with serving(extra=url) as shop:
        await until_ready(Client(http, shop.address))
        admin = await Client(http, shop.address).signed_in("admin", ADMIN_PASSWORD)
        seller_id, seller = await new_seller(admin, "10.00")
        for _ in range(5):
            assert (await seller.charge("1.00"))[0] == 201
    exported = await charge_shop("heads", extra=url)
    assert exported.status == 0
    heads = tmp_path / "heads"
    heads.write_text(exported.out)
    whole = await charge_shop("verify", "--heads", str(heads), extra=url)
    assert whole.status == 0, whole
    assert "exported heads found again: 1" in whole.out

    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE cell_00.entries SET phone_number = '+15550100009' WHERE seq = 5")
    changed = await charge_shop("verify", extra=url)
    assert changed.status == 1
    assert f"first bad entry: seller={seller_id} seq=5 " in changed.out
    await owner.execute("UPDATE cell_00.entries SET phone_number = '+15550100001' WHERE seq = 5")
    await owner.execute("DELETE FROM cell_00.entries WHERE seq = 7")
    cut = await charge_shop("verify", "--heads", str(heads), extra=url)
    assert cut.status == 1
    assert f"first bad entry: seller={seller_id} seq=7 " in cut.out
    await owner.close()


async def test_a_forged_record_of_restores_neither_speaks_for_verify_nor_silences_it(database: Database) -> None:
    url = {"CHARGE_SHOP_DATABASE_URL": database.app_url}
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("SET session_replication_role = replica")
    record = "INSERT INTO cell_00.restores VALUES (1, $1::text::timestamptz, $2, NULL, 0, 1)"
    await owner.execute(record, "2026-01-02", "one\nfirst bad entry: seller=x seq=1")
    await owner.execute("INSERT INTO cell_00.restore_confirmations VALUES (1, now(), $1)", "two\nverified")
    forged = await charge_shop("verify", extra=url)
    assert forged.status == 0, forged
    assert [line.split(" ", 1)[0] for line in forged.out.splitlines()] == ["verified", "restored"]
    assert "one\\nfirst bad entry" in forged.out

    await owner.execute("DELETE FROM cell_00.restores")
    await owner.execute(record, "0044-03-15 BC", "one")
    refused = await charge_shop("verify", extra=url)
    assert refused.status == 2
    assert "restores" in one_line(refused.err)
    await owner.execute("INSERT INTO cell_00.accounts VALUES (gen_random_uuid(), 'USD', false, 0)")
    for worse in ("SELECT", "DROP TABLE cell_00.restore_confirmations"):
        await owner.execute(worse)
        found = await charge_shop("verify", extra=url)
        assert found.status == 1, found
        assert "first bad entry: seller=" in one_line(found.out)
    await owner.close()
    await owner.close()
