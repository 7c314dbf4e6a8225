"""nginx in front of the service itself: what the stand-in of the other tests cannot show."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.conftest import Database
from tests.processes.running import ADMIN_PASSWORD, Client, Serving, new_seller, serving, until_ready

from .conftest import Opens
from .front_door import FrontDoor

# As in docker-compose.yml, with the address that nginx has here; the service need not be migrated by itself.
SETTINGS = {"CHARGE_SHOP_TRUSTED_PROXIES": "127.0.0.0/8", "CHARGE_SHOP_LEASE_TTL_S": "1"}
HOST = {"Host": "b2b.local"}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=HOST) as session:
        yield session


@pytest.fixture
def settings(database: Database) -> dict[str, str]:
    return SETTINGS | {"CHARGE_SHOP_DATABASE_URL": database.app_url}


@pytest.fixture
async def first(settings: dict[str, str], http: aiohttp.ClientSession) -> AsyncIterator[Serving]:
    async with serving(extra=settings) as served:
        await until_ready(Client(http, served.address))
        yield served


def port(served: Serving) -> int:
    return int(served.address.rsplit(":", 1)[1])


@pytest.fixture
def door(opens: Opens, first: Serving) -> FrontDoor:
    return opens(others={"app": port(first)})


@pytest.fixture
def client(door: FrontDoor, http: aiohttp.ClientSession) -> Client:
    return Client(http, f"http://127.0.0.1:{door.port}")


async def test_a_sale_goes_through_nginx(client: Client) -> None:
    """From the admin's login to the same answer for the same key."""
    _, seller = await new_seller(await client.signed_in("admin", ADMIN_PASSWORD), "10.00")
    status, sold, _, first_answer = await seller.charge("4.00", key="k-1")
    assert (status, sold["status"], sold["balance"]["available"]) == (201, "completed", "6.00")
    status, _, headers, again = await seller.charge("4.00", key="k-1")
    assert (status, headers["Idempotent-Replayed"], again) == (201, "true", first_answer)


async def test_200_sales_at_once_go_through_nginx(client: Client) -> None:
    _, seller = await new_seller(await client.signed_in("admin", ADMIN_PASSWORD), "100.00")
    answers = await asyncio.gather(*(seller.charge("1.00") for _ in range(200)))
    assert sorted(status for status, *_ in answers) == [201] * 100 + [402] * 100
    assert (await seller.ask("GET", "/v1/balance"))[1]["available"] == "0.00"


async def test_both_say_the_same_of_a_body_that_is_too_large(client: Client, first: Serving) -> None:
    """nginx, and the service for whoever reaches it without nginx."""
    body = {"username": "x" * 70_000, "password": "x"}
    by_nginx = await client.ask("POST", "/v1/auth/token", body)
    by_service = await client.at(first.address).ask("POST", "/v1/auth/token", body)
    for status, problem, *_ in (by_nginx, by_service):
        assert (status, problem["code"], problem["type"]) == (413, "body_too_large", "/problems/body_too_large")


async def test_both_log_and_answer_the_same_request_id(client: Client, door: FrontDoor) -> None:
    _, problem, headers, _ = await client.ask("GET", "/v1/balance")
    assert headers["X-Request-Id"] == problem["request_id"] == door.log()[-1]["request_id"]


async def test_a_guesser_is_known_by_the_address_that_nginx_saw(client: Client, http: aiohttp.ClientSession) -> None:
    """However many others it says that it is."""
    statuses = []
    for number in range(12):
        http.headers["X-Forwarded-For"] = f"203.0.113.{number}"
        wrong = {"username": "admin", "password": f"wrong password {number}"}
        statuses.append((await client.ask("POST", "/v1/auth/token", wrong))[0])
    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_a_standby_passes_on_what_it_does_not_serve(
    settings: dict[str, str], http: aiohttp.ClientSession, opens: Opens, first: Serving
) -> None:
    """The one that nginx asks first has become the standby: every sale is made all the same, once."""
    async with serving(extra=settings) as second:
        await first.end()
        await until_ready(Client(http, second.address))
        async with serving(extra=settings) as back:
            door = opens(settings={"NGINX_INSTANCES": "two"}, others={"app": port(back), "standby": port(second)})
            client = Client(http, f"http://127.0.0.1:{door.port}")
            _, seller = await new_seller(await client.signed_in("admin", ADMIN_PASSWORD), "10.00")
            answers = [await seller.charge("1.00") for _ in range(10)]
            assert [status for status, *_ in answers] == [201] * 10
            assert (await seller.ask("GET", "/v1/balance"))[1]["available"] == "0.00"
