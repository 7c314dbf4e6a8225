"""Long lists: where one was in them, what of them is saved, and that on a phone filters do not hide them."""

import asyncio
import csv
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.console.conftest import PASSWORD, PHONE, Desk, Seller

if TYPE_CHECKING:
    from playwright.async_api import Route

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def sold(desk: Desk, number: int) -> Seller:
    """A seller of so many charges, the first of them declined; their references are "till 0", "till 1" and so on."""
    seller = await desk.new_seller("100.00")
    for index in range(number):
        amount = "1.00" if index else "500.00"
        await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": amount, "reference": f"till {index}"})
    return seller


async def test_the_way_back_and_a_reload_lead_to_the_page_of_the_list_that_was_left(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await sold(desk, 27)
    page = await desk.signed_in(seller.username)
    await page.get_by_role("link", name="History").first.click()
    await expect(page.get_by_role("cell", name="till 26", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Older").click()
    await page.get_by_role("row", name="till 1", exact=False).get_by_role("link").first.click()
    await expect(page.get_by_role("heading", name="Charge", exact=True)).to_be_visible()
    await page.go_back()
    await expect(page.get_by_text("Page 2")).to_be_visible()
    await expect(page.get_by_role("cell", name="till 1", exact=True)).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("cell", name="till 1", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Newer").click()
    await expect(page.get_by_role("cell", name="till 26", exact=True)).to_be_visible()
    await page.go_forward()
    await expect(page.get_by_role("heading", name="Charge", exact=True)).to_be_visible()


async def test_a_list_follows_a_steady_stream_of_sales_while_it_goes_on(desk: Desk) -> None:
    """Though its own answers take longer than it is from one sale to the next."""
    from playwright.async_api import expect

    seller = await sold(desk, 2)
    page = await desk.signed_in(seller.username)

    async def slowly(route: "Route") -> None:
        await asyncio.sleep(0.6)
        await route.continue_()

    await page.route(re.compile(r"/v1/charges\?.*limit=25"), slowly)
    await page.get_by_role("link", name="History").first.click()
    await expect(page.get_by_role("cell", name="till 1", exact=True)).to_be_visible()

    async def keep_selling() -> None:
        while True:
            await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "0.01", "reference": "steady"})
            await asyncio.sleep(0.02)

    selling = asyncio.create_task(keep_selling())
    try:
        await expect(page.get_by_role("cell", name="steady", exact=True).first).to_be_visible(timeout=8_000)
    finally:
        selling.cancel()


async def test_what_is_saved_is_what_the_filters_find_to_the_last_page(desk: Desk) -> None:
    """And text that a spreadsheet would run as a formula is saved as text."""
    from playwright.async_api import expect

    seller = await sold(desk, 4)
    formula = '=HYPERLINK("http://x");=1+1'
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "2.00", "reference": formula})
    page = await desk.signed_in(seller.username)
    # Of the service's own pages: two charges each, so that there are several.
    await page.route(
        re.compile(r"/v1/charges\?.*limit=100"),
        lambda route: route.continue_(url=route.request.url.replace("limit=100", "limit=2")),
    )
    await page.get_by_role("link", name="History").first.click()
    await page.get_by_label("Status").select_option("completed")
    await expect(page.get_by_role("cell", name="till 0", exact=True)).to_have_count(0)
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(StringIO(Path(await (await saving.value).path()).read_text(), newline="")))
    assert [row["reference"] for row in rows] == ["""'=HYPERLINK("http://x");'=1+1""", "till 3", "till 2", "till 1"]
    assert {row["phone_number"] for row in rows} == {PHONE}
    assert [row["amount"] for row in rows] == ["2.00", "1.00", "1.00", "1.00"]


async def test_who_waits_longest_is_first_in_the_queue_though_on_the_last_page(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    for amount in ("11.00", "12.00", "13.00"):
        await seller.api.post("/v1/credit-requests", {"amount": amount})
    page = await desk.admin_page()
    await page.route(
        re.compile(r"/v1/credit-requests\?.*limit=100"),
        lambda route: route.continue_(url=route.request.url.replace("limit=100", "limit=1")),
    )
    await page.get_by_role("link", name=re.compile("Credit requests")).first.click()
    mine = page.get_by_role("listbox").get_by_role("option", name=re.compile(seller.username))
    await expect(mine.locator("b")).to_have_text(["$11.00", "$12.00", "$13.00"])


async def test_what_is_searched_for_and_what_is_found_are_the_same_after_the_navigation(desk: Desk) -> None:
    from playwright.async_api import expect

    seller, other = await desk.new_seller(), await desk.new_seller()
    page = await desk.admin_page()
    another = page.get_by_role("cell", name=other.username, exact=True)
    sellers = page.get_by_role("navigation", name="Main").get_by_role("link", name="Sellers")
    await sellers.click()
    await expect(another).to_be_visible()
    await page.get_by_label("Search").press_sequentially(f" {seller.username} ")
    await expect(another).to_be_hidden()
    await expect(page.get_by_label("Search")).to_have_value(f" {seller.username} ")
    await sellers.click()
    await expect(page.get_by_label("Search")).to_have_value("")
    await expect(another).to_be_visible()
    await page.go_back()
    await expect(page.get_by_label("Search")).to_have_value(seller.username)
    await expect(another).to_be_hidden()


async def test_a_filter_that_is_refused_is_said_in_words(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await sold(desk, 1)
    page = await desk.signed_in(seller.username)
    await page.goto(f"{desk.service.url}/console/#/charges?phone=abc")
    await expect(page.get_by_role("alert")).to_contain_text("phone number: Expected a possible mobile number")
    await page.goto(f"{desk.service.url}/console/#/statement?from=2026-02-01&to=2026-01-01")
    await expect(page.get_by_role("alert")).to_contain_text("Must not be earlier than `from`.")
    desk.forgive("status of 422")


async def test_on_a_phone_filters_fold_away_and_say_how_many_are_set(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await sold(desk, 2)
    page = await desk.signed_in(seller.username, viewport={"width": 360, "height": 740})
    await page.get_by_role("navigation", name="Quick").get_by_role("link", name="History").click()
    await expect(page.get_by_label("Status")).to_be_hidden()
    await page.get_by_role("button", name="Filters").click()
    await page.get_by_label("Status").select_option("failed")
    await page.get_by_role("button", name="Filters 1").click()
    await expect(page.get_by_label("Status")).to_be_hidden()
    await expect(page.get_by_role("row")).to_have_count(2)  # the head, and the one that was declined


async def test_the_chart_of_a_statement_shows_every_entry_or_says_how_many_moments_it_shows(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await sold(desk, 310)
    page = await desk.signed_in(seller.username)
    await page.get_by_role("link", name="Statement").first.click()
    line = page.locator(".chart .line")
    steps = re.compile("^M[^V]*(V[^V]*){310,}$")  # the credit it began with, and what was sold for it
    await expect(line).to_have_attribute("d", steps)
    await expect(page.get_by_text("moments of the period")).to_have_count(0)
    before = await line.get_attribute("d")
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "1.00"})
    await expect(line).not_to_have_attribute("d", before or "")
    await expect(line).to_have_attribute("d", steps)

    async def of_many(route: "Route") -> None:
        statement = await (await route.fetch()).json()
        await route.fulfill(json={**statement, "entries": 2001})

    await page.route("**/v1/statement?*", of_many)
    await page.reload()
    await expect(page.get_by_text("The balance at 49 moments of the period")).to_be_visible()


@pytest.mark.parametrize("width", [705, 800])
async def test_what_can_be_done_with_a_hold_has_room_on_a_tablet(desk: Desk, width: int) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("1000.00")
    hold = {"phone_number": PHONE, "amount": "100.00", "reference": "till-2-004", "capture": False}
    await seller.api.post("/v1/charges", hold)
    page = await desk.signed_in(seller.username, viewport={"width": width, "height": 900})
    await page.goto(f"{desk.service.url}/console/#/holds")
    await expect(page.get_by_role("button", name="Void")).to_be_visible()
    excess = "frame => frame.scrollWidth - frame.clientWidth"
    assert await page.locator(".table-frame").evaluate(excess) <= 0


async def test_a_table_has_room_beside_a_card_or_stands_below_it_and_scrolls_from_the_keyboard(desk: Desk) -> None:
    from playwright.async_api import expect

    wide = await desk.new_seller("9999999999.999", "KWD")
    for amount in ("1.000", "1234567890.125"):
        await wide.api.post("/v1/charges", {"phone_number": PHONE, "amount": amount, "reference": "till 1, morning"})
    usual = await sold(desk, 3)
    page = await desk.admin_page()
    frame = page.locator(".table-frame")
    for width, seller in ((1280, usual), (1280, wide), (1100, wide)):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{desk.service.url}/console/#/sellers/{seller.id}")
        await expect(page.get_by_role("heading", name=f"Kiosk {seller.username}")).to_be_visible()
        for view, column in (("Journal", "Available after"), ("Charges", "Reference")):
            await page.get_by_role("radio", name=view).check()
            await expect(page.get_by_role("columnheader", name=column)).to_be_visible()
            await expect(page.locator(".skeleton, [aria-busy]")).to_have_count(0)
            assert await frame.evaluate("frame => frame.scrollWidth - frame.clientWidth") <= 0, (seller.id, view)
        tops = await page.locator(".columns > .card").evaluate_all("cards => cards.map(card => card.offsetTop)")
        assert (tops[0] == tops[1]) == (width == 1280)
    await page.set_viewport_size({"width": 720, "height": 900})
    await page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    await page.get_by_role("group", name="History").focus()
    await page.keyboard.press("ArrowRight")
    await page.wait_for_function("() => document.querySelector('.table-frame').scrollLeft > 0")
    await page.goto(f"{desk.service.url}/console/#/trial-balance")
    await page.get_by_role("group", name="Trial balance in KWD").focus()
    await page.keyboard.press("ArrowRight")
    await page.wait_for_function(
        "() => document.activeElement.matches('.table-frame') && document.activeElement.scrollLeft > 0"
    )


async def test_a_row_that_is_pointed_at_stays_where_it_is_while_newer_ones_come(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await sold(desk, 4)
    page = await desk.signed_in(seller.username)
    await page.get_by_role("link", name="History").first.click()
    pointed = page.get_by_role("row", name="till 2")
    await pointed.hover()
    before = await pointed.bounding_box()
    for reference in ("later 1", "later 2"):
        await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "1.00", "reference": reference})
    charge = next(one for one in await seller.charges() if one["reference"] == "till 2")
    admin = await desk.admin()
    await admin.post(f"/v1/charges/{charge['id']}/refund", {"reason": "wrong number"})
    await expect(pointed).to_contain_text("Refunded")  # what is said of it is still of now
    assert await pointed.bounding_box() == before
    await expect(page.get_by_role("row", name="later")).to_have_count(0)
    await page.get_by_role("button", name="Show 2 new").click()
    await expect(page.get_by_role("row", name="later")).to_have_count(2)
    await page.get_by_role("heading", name="History").hover()  # nobody reads it any more: it goes on by itself
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "1.00", "reference": "later 3"})
    await expect(page.get_by_role("row", name="later 3")).to_be_visible()
    # From the keyboard: the button stays while one goes there, and leads to what it shows.
    await page.get_by_role("row", name="till 3").get_by_role("link").focus()
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "1.00", "reference": "later 4"})
    await expect(page.get_by_role("button", name="Show 1 new")).to_be_visible()
    for _ in range(6):  # four rows, and their table's edge
        if await page.evaluate("document.activeElement.textContent") == "Show 1 new":
            break
        await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("row", name="later 4").get_by_role("link")).to_be_focused()


async def test_a_dialog_stays_though_its_row_would_be_on_the_next_page_by_now(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("90.00")
    hold = {"phone_number": PHONE, "amount": "1.00", "capture": False}
    await seller.api.post("/v1/charges", {**hold, "amount": "20.00"})
    page = await desk.signed_in(seller.username)
    await page.get_by_role("link", name="Holds").first.click()
    await page.get_by_role("button", name="Capture").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Amount").fill("15")
    for _ in range(26):
        await seller.api.post("/v1/charges", hold)
    await expect(page.get_by_text("Show 25+ new")).to_be_attached()
    await dialog.get_by_role("button", name="Capture").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("row", name="$20.00")).to_have_count(0)
    assert [one["amount"] for one in await seller.charges() if one["status"] == "completed"] == ["15.00"]


async def test_an_axis_has_no_amount_twice(desk: Desk) -> None:
    """Between 4,990 and 5,000 each tick of it would be called $5K."""
    from playwright.async_api import expect

    seller = await desk.new_seller("5000.00")
    for _ in range(3):
        await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "3.00"})
    page = await desk.signed_in(seller.username)

    async def of_a_later_day(route: "Route") -> None:
        answer = await (await route.fetch()).json()
        if "data" in answer:
            answer["data"] = [entry for entry in answer["data"] if entry["type"] == "charge"]
        else:
            answer["opening_balance"] = "5000.00"
        await route.fulfill(json=answer)

    await page.route(re.compile(r"/v1/(statement|transactions)\?"), of_a_later_day)
    await page.get_by_role("link", name="Statement").first.click()
    ticks = page.locator(".chart .tick[text-anchor=end]")
    await expect(ticks.first).to_be_visible()
    texts = [text for text in await ticks.all_text_contents() if "$" in text]
    assert len(texts) >= 4
    assert len(set(texts)) == len(texts)


async def test_dollars_of_two_countries_are_not_written_alike(desk: Desk) -> None:
    from playwright.async_api import expect

    admin = await desk.admin()
    body = {"username": "maple", "password": PASSWORD, "name": "Maple Kiosk", "currency": "CAD"}
    await admin.post("/v1/sellers", body)
    page = await desk.admin_page()
    await page.get_by_role("link", name="Sellers").first.click()
    await expect(page.get_by_role("row", name="Maple Kiosk")).to_contain_text("CA$0.00")


async def test_what_is_hours_old_is_listed_by_the_time_of_day(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await sold(desk, 1)
    page = await desk.signed_in(seller.username)

    async def three_hours_later(route: "Route") -> None:
        answer = await route.fetch()
        date = format_datetime(datetime.now(UTC) + timedelta(hours=3), usegmt=True)
        await route.fulfill(response=answer, headers={**answer.headers, "date": date})

    await page.route(re.compile("/v1/(?!events)"), three_hours_later)
    await page.reload()
    when = page.get_by_role("row", name="till 0").get_by_role("time")
    await expect(when).to_have_text(re.compile(r"\d{1,2}:\d\d [AP]M$"))


async def test_the_latest_sale_can_be_clicked_while_others_are_made(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await sold(desk, 4)
    page = await desk.signed_in(seller.username)
    pointed = page.get_by_role("row", name="till 2")
    await pointed.hover()
    before = await pointed.bounding_box()
    await seller.api.post("/v1/charges", {"phone_number": PHONE, "amount": "1.00", "reference": "later 1"})
    await expect(page.get_by_role("button", name="Show 1 new")).to_be_visible()
    assert await pointed.bounding_box() == before
    await page.get_by_role("heading", name="Latest").hover()
    await expect(page.get_by_role("row", name="later 1")).to_be_visible()
    await page.get_by_label("Phone number").fill(PHONE)
    await page.get_by_label("Amount", exact=True).fill("20")
    await page.get_by_role("row", name="till 3").hover()
    await page.keyboard.press("Enter")  # one's own is shown wherever the pointer was left
    await expect(page.get_by_role("row", name="$20.00")).to_be_visible()


async def test_a_charge_is_found_by_the_id_on_its_receipt(desk: Desk) -> None:
    from playwright.async_api import expect

    seller, other = await sold(desk, 2), await sold(desk, 1)
    [charge, *_], [theirs] = await seller.charges(), await other.charges()
    page = await desk.signed_in(seller.username)
    await page.get_by_role("link", name="History").first.click()
    box = page.get_by_role("search", name="Find a charge").get_by_label("Charge id")
    for typed, words in (
        ("", "Enter the whole id, as on the receipt."),
        (charge["id"][:-1], "Enter the whole id, as on the receipt."),
        (charge["receipt"], "This is the receipt's hash. Enter the id above it."),
        (theirs["id"], "No charge has this id. Compare it with the receipt."),
    ):
        await box.fill(typed)
        await box.press("Enter")
        await expect(box).to_have_accessible_description(words)
    await expect(page.get_by_role("row", name="till 1")).to_be_visible()  # one is still where one was
    await box.fill(f" {charge['id'].upper()} ")
    await expect(box).not_to_have_attribute("aria-invalid", "true")
    await page.get_by_role("button", name="Find").click()
    await expect(page.get_by_role("heading", name="Charge", exact=True)).to_be_visible()
    await expect(page).to_have_url(re.compile(charge["id"]))
    page = await desk.admin_page()
    await page.get_by_role("link", name="Charges").first.click()
    box = page.get_by_role("search", name="Find a charge").get_by_label("Charge id")
    await box.fill(f"{desk.service.url}/console/#/charges/{theirs['id']}")
    await box.press("Enter")
    await expect(page.locator(".receipt-card")).to_contain_text(theirs["receipt"])
    desk.forgive("status of 404")
