"""Times and days are the service's, whatever the clock of the computer says; and those of the place where one is."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from tests.console.conftest import PASSWORD, PHONE, Desk
from tests.console.service_process import ADMIN_PASSWORD

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def signed_in_with_a_clock_off_by(
    desk: Desk, off: timedelta, username: str = "admin", password: str = ADMIN_PASSWORD
) -> "Page":
    page = await desk.page()
    await page.clock.install(time=datetime.now(UTC) + off)
    await page.get_by_label("Username").fill(username)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text("Live", exact=True).wait_for()
    return page


@pytest.mark.parametrize("off", [timedelta(minutes=7), -timedelta(minutes=7)])
async def test_a_clock_that_is_minutes_off_neither_empties_the_chart_nor_ages_what_just_happened(
    desk: Desk, off: timedelta
) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await signed_in_with_a_clock_off_by(desk, off)
    await page.reload()  # the sign-in page has told the time before
    for _ in range(3):
        await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "0.01"})
    newest = page.locator(".feed li").first
    await expect(newest).to_contain_text(seller.username)
    await expect(newest.get_by_role("time")).to_have_text("just now")
    await expect(page.locator(".chart .bar").first).to_be_attached()
    hold = {"phone_number": PHONE, "amount": "20.00", "capture": False, "expires_in": 600}
    await seller.api.post("/v1/charges", hold)
    page = await signed_in_with_a_clock_off_by(desk, off, seller.username, PASSWORD)
    await page.get_by_role("link", name="Holds").first.click()
    await expect(page.locator(".countdown")).to_have_text(re.compile(r"^09:[345]\d$"))


async def test_today_is_the_day_of_the_service_where_a_clock_is_a_day_off(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await signed_in_with_a_clock_off_by(desk, timedelta(days=1), seller.username, PASSWORD)
    await page.get_by_role("link", name="Statement").first.click()
    days = {datetime.now(UTC).date().isoformat()}
    await page.get_by_role("button", name="Today").click()
    days.add(datetime.now(UTC).date().isoformat())
    await expect(page.get_by_label("From", exact=True)).to_have_value(re.compile("|".join(days)))
    await expect(page.get_by_role("button", name="Today")).to_have_attribute("aria-pressed", "true")


async def test_a_clock_of_the_next_day_does_not_end_a_session_at_a_reload(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await signed_in_with_a_clock_off_by(desk, timedelta(hours=13), seller.username, PASSWORD)
    await page.reload()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Asia/Kathmandu", "Pacific/Pago_Pago"])
async def test_days_are_those_of_the_place_where_one_is(desk: Desk, zone: str) -> None:
    """From midnight to midnight there, and a file says when things were in a way that is read alike everywhere."""
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "1.00"})
    [charge] = await seller.charges()
    page = await desk.signed_in(seller.username, timezone_id=zone)
    await page.get_by_role("link", name="Statement").first.click()
    await expect(page.get_by_role("row", name=re.compile("Charge"))).to_be_visible()
    async with page.expect_request(re.compile(r"/v1/statement\?")) as asking:
        await page.get_by_role("button", name="Today").click()
    asked = {
        name: datetime.fromisoformat(value)
        for name, [value] in parse_qs(urlsplit((await asking.value).url).query).items()
    }
    today = datetime.now(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert asked == {"from": today, "to": today + timedelta(days=1)}
    for label in ("From", "To"):
        await expect(page.get_by_role("textbox", name=label)).to_have_value(today.date().isoformat())
    await expect(page.get_by_role("row", name=re.compile("Charge"))).to_contain_text("-$1.00")
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="CSV").click()
    assert charge["created_at"] in Path(await (await saving.value).path()).read_text()
