"""Tabs of one browser: a link that is opened in a new one needs no password again, and each user keeps to their own."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.console.conftest import PASSWORD, Desk

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "JSON.parse(sessionStorage['charge-shop.session']).token"
KEPT = "JSON.stringify({...localStorage}) + document.cookie + location.href"


async def another_tab(desk: Desk, page: "Page", path: str = "") -> "Page":
    opened = await page.context.new_page()
    await opened.goto(f"{desk.service.url}/console/#/{path}")
    return opened


async def test_a_link_that_is_opened_in_a_new_tab_goes_on_with_the_session_until_it_is_signed_out(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    first = await desk.signed_in(seller.username)
    async with first.context.expect_page() as opening:
        await first.get_by_role("link", name="Statement").first.click(modifiers=["ControlOrMeta"])
    clicked = await opening.value
    await expect(clicked.get_by_role("heading", name="Statement")).to_be_visible()
    bookmarked = await another_tab(desk, first, "credit")
    await expect(bookmarked.get_by_role("heading", name="Credit", exact=True)).to_be_visible()
    token = await first.evaluate(TOKEN)
    for tab in (first, clicked, bookmarked):
        assert await tab.evaluate(TOKEN) == token
        assert token not in await tab.evaluate(KEPT)
    await bookmarked.reload()
    await expect(bookmarked.get_by_role("heading", name="Credit", exact=True)).to_be_visible()
    await clicked.get_by_role("button", name="Sign out").first.click()
    for tab in (first, bookmarked):
        await expect(tab.get_by_text("You signed out in another tab.")).to_be_visible()
        await expect(tab).to_have_url(f"{desk.service.url}/console/#/")
        assert token not in await tab.evaluate("JSON.stringify({...sessionStorage})")
    later = await another_tab(desk, first)
    await expect(later.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_two_users_have_tabs_of_their_own_and_a_new_one_is_nobodys(desk: Desk) -> None:
    from playwright.async_api import expect

    one, other = await desk.new_seller(), await desk.new_seller()
    first = await desk.signed_in(one.username)
    second = await another_tab(desk, first, "account")
    await second.get_by_role("button", name="Another user in this tab").click()
    await expect(second.get_by_role("heading", name="Sign in")).to_be_visible()
    await second.reload()  # it was left: it does not become the other's again
    await second.get_by_label("Username").fill(other.username)
    await second.get_by_label("Password", exact=True).fill(PASSWORD)
    await second.get_by_role("button", name="Sign in").click()
    await expect(second.locator(".who")).to_contain_text(other.username)
    third = await another_tab(desk, first)
    await expect(third.get_by_role("heading", name="Sign in")).to_be_visible()
    await second.get_by_role("button", name="Sign out").first.click()
    await expect(second.get_by_role("heading", name="Sign in")).to_be_visible()
    await second.reload()
    await expect(second.get_by_role("heading", name="Sign in")).to_be_visible()
    await first.get_by_role("link", name="Statement").first.click()
    await expect(first.get_by_role("heading", name="Statement")).to_be_visible()
    await expect(first.locator(".who")).to_contain_text(re.compile(one.username))
