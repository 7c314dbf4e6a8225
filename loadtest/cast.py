"""The cast of a load: an admin that signs in, and sellers that are made for the occasion and for nothing else."""

from typing import Any, Final

from msgspec import Struct

from loadtest.client import Client, UnexpectedAnswer

SELLER_PASSWORD: Final = "seller of the load test"


class Admin(Struct, frozen=True):
    user_id: str
    token: str


class Seller(Struct, frozen=True):
    id: str
    currency: str
    credential: str
    """A token, or an API key."""


async def admin_of(client: Client, username: str, password: str) -> Admin:
    token = (await sign_in(client, username, password))["token"]
    return Admin((await client.get("/v1/auth/me", token))["id"], token)


async def make_seller(
    client: Client, admin: Admin, username: str, *, name: str, currency: str, has_api_key: bool
) -> Seller:
    """A new seller, signed in, or with an API key to work with."""
    body = {"username": username, "password": SELLER_PASSWORD, "name": name, "currency": currency}
    status, answer = await client.call("POST", "/v1/sellers", body, credential=admin.token)
    # A seller that was made by an attempt without an answer is taken as it is.
    if status not in (201, 409):
        raise UnexpectedAnswer(f"POST /v1/sellers answered {status}: {answer}")
    signed_in = await sign_in(client, username, SELLER_PASSWORD)
    credential = signed_in["token"]
    if has_api_key:
        made = await client.expect(201, "POST", "/v1/api-keys", {"name": "load test"}, credential=credential)
        credential = made["key"]
    return Seller(signed_in["seller_id"], currency, credential)


async def sign_in(client: Client, username: str, password: str) -> dict[str, Any]:
    """The answer of the token's request."""
    body = {"username": username, "password": password}
    answer: dict[str, Any] = await client.expect(200, "POST", "/v1/auth/token", body, credential=None)
    return answer
