"""The story that the shop is there for, in a real browser: credit asked for, approved, sold once, refunded."""

import asyncio
import re

import pytest

from tests.console.conftest import PASSWORD, PHONE, Desk

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_credit_is_asked_for_and_approved_and_a_charge_is_sold_once_and_refunded(desk: Desk) -> None:
    from playwright.async_api import expect

    admin = await desk.admin_page()
    await admin.get_by_role("link", name="Sellers").first.click()
    await admin.get_by_role("button", name="New seller").click()
    await admin.get_by_label("Name", exact=True).fill("Blue Kiosk")
    await admin.get_by_label("Username", exact=True).fill("blue-kiosk")
    await admin.get_by_label("First password", exact=True).fill(PASSWORD)
    await admin.get_by_role("button", name="Create", exact=True).click()
    await expect(admin.get_by_role("heading", name="Blue Kiosk")).to_be_visible()

    seller = await desk.signed_in("blue-kiosk")
    balance = seller.locator(".balance-figure")
    await expect(balance).to_have_text("$0.00")
    await seller.get_by_role("link", name="Credit", exact=True).first.click()
    await seller.get_by_label("Amount", exact=True).fill("100")
    await seller.get_by_label("Note optional").fill("cash, slip 12")
    await seller.get_by_role("button", name="Request credit").click()
    await expect(seller.get_by_role("cell", name="cash, slip 12")).to_be_visible()

    await admin.get_by_role("link", name=re.compile("Credit requests")).first.click()
    queue = admin.get_by_role("listbox")
    await expect(queue.get_by_role("option", name=re.compile("Blue Kiosk"))).to_be_visible()
    await queue.get_by_role("option", name=re.compile("Blue Kiosk")).click()
    await queue.press("a")
    await expect(admin.get_by_text("Approved: $100.00 for Blue Kiosk.")).to_be_visible()

    await expect(balance).to_have_text("$100.00")  # without a reload
    await expect(seller.get_by_role("cell", name="Approved", exact=True)).to_be_visible()

    await seller.get_by_role("link", name="Sell", exact=True).first.click()
    await seller.get_by_label("Phone number").fill(PHONE)
    await seller.get_by_label("Amount", exact=True).fill("30")
    await seller.get_by_role("button", name="Sell", exact=True).dblclick(delay=80)
    await expect(seller.locator(".receipt-done")).to_have_text("Sold")
    await expect(balance).to_have_text("$70.00")
    await expect(seller.locator(".field-error")).to_have_count(0)  # of the form that is empty again
    api = await desk.nobody.signed_in("blue-kiosk", PASSWORD)
    [charge] = (await api.get("/v1/charges"))["data"]
    await expect(seller.locator(".receipt-card")).to_contain_text(charge["receipt"])

    await admin.goto(f"{desk.service.url}/console/#/charges/{charge['id']}")
    await admin.get_by_role("button", name="Refund").click()
    await admin.get_by_label("Reason").fill("wrong number")
    await admin.get_by_role("dialog").get_by_role("button", name="Refund").click()
    await expect(admin.locator(".receipt-head")).to_contain_text("Refunded")
    await expect(balance).to_have_text("$100.00")  # again without a reload


async def test_a_hold_is_captured_in_part_and_another_one_is_voided(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("50.00")
    page = await desk.signed_in(seller.username)
    for amount in ("20", "10"):
        await page.get_by_role("radio", name="Hold first").check()
        await page.get_by_label("Phone number").fill(PHONE)
        await page.get_by_label("Amount", exact=True).fill(amount)
        await page.get_by_role("button", name="Hold", exact=True).click()
        await expect(page.locator(".receipt-amount")).to_have_text(f"${amount}.00")
    await page.get_by_role("link", name="Holds").first.click()
    await page.get_by_role("row", name=re.compile(r"\$20\.00")).get_by_role("button", name="Capture").click()
    await page.get_by_label("Amount", exact=True).fill("15")
    await page.get_by_role("dialog").get_by_role("button", name="Capture").click()
    await page.get_by_role("row", name=re.compile(r"\$10\.00")).get_by_role("button", name="Void").click()
    await page.get_by_role("dialog").get_by_role("button", name="Void").click()
    await expect(page.get_by_text("No open holds")).to_be_visible()
    await expect(page.locator(".balance-figure")).to_have_text("$35.00")
    await page.get_by_role("link", name="History").first.click()
    await page.get_by_role("row", name=re.compile(r"\$15\.00")).get_by_role("link").click()
    await expect(page.get_by_role("listitem").filter(has_text="Capture")).to_contain_text("-$15.00 held")


async def test_many_requests_are_decided_in_a_row_from_the_keyboard(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    for amount in ("11.00", "12.00", "13.00"):
        await seller.api.post("/v1/credit-requests", {"amount": amount})
    page = await desk.admin_page()
    await page.get_by_role("link", name=re.compile("Credit requests")).first.click()
    queue = page.get_by_role("listbox")
    mine = queue.get_by_role("option", name=re.compile(seller.username))
    await expect(mine).to_have_count(3)
    await mine.first.click()  # the newest three are the last in the queue
    for key in ("a", "r", "A"):  # Caps Lock, or as the hint below shows it
        await queue.press(key)
    await expect(mine).to_have_count(0)
    await expect(page.get_by_text(re.compile(r"Approved: \$13\.00"))).to_be_visible()
    requests = (await seller.api.get("/v1/credit-requests"))["data"]
    assert [(one["amount"], one["status"]) for one in reversed(requests)] == [
        ("11.00", "approved"),
        ("12.00", "rejected"),
        ("13.00", "approved"),
    ]


async def test_of_many_who_wait_those_are_asked_for_by_name_that_are_read(desk: Desk) -> None:
    from playwright.async_api import expect

    sellers = [await desk.new_seller() for _ in range(60)]
    for seller in sellers:
        await seller.api.post("/v1/credit-requests", {"amount": "1.00"})
    page = await desk.admin_page()
    await page.goto(f"{desk.service.url}/console/#/account")
    await page.reload()  # the names of nobody are known
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{desk.service.url}/console/#/requests")
    await expect(page.locator(".chosen-request h2 a")).to_be_visible()
    queue = page.get_by_role("listbox")
    await expect(queue.get_by_role("option").first).to_contain_text("Kiosk")
    assert sum("/v1/sellers/" in url for url in asked) < 45
    await queue.press("End")
    await expect(queue.get_by_role("option", name=f"Kiosk {sellers[-1].username}")).to_be_visible()
    admin = await desk.admin()
    for request in (await admin.get("/v1/credit-requests?status=pending&limit=100"))["data"]:
        await admin.post(f"/v1/credit-requests/{request['id']}/reject")


async def test_after_the_last_request_the_keyboard_goes_on_with_the_next_one(desk: Desk) -> None:
    from playwright.async_api import expect

    colleague = await desk.admin()
    for left in (await colleague.get("/v1/credit-requests?status=pending&limit=100"))["data"]:
        await colleague.post(f"/v1/credit-requests/{left['id']}/reject")
    seller = await desk.new_seller()
    await seller.api.post("/v1/credit-requests", {"amount": "51.00"})
    page = await desk.admin_page()
    await page.get_by_role("link", name=re.compile("Credit requests")).first.click()
    queue = page.get_by_role("listbox")
    await queue.press("a")
    await expect(page.get_by_text("All decided")).to_be_visible()
    await expect(page.get_by_role("heading", name="Credit requests")).to_be_focused()
    await seller.api.post("/v1/credit-requests", {"amount": "52.00"})
    await expect(queue).to_be_focused()
    await page.keyboard.press("a")  # too soon to be meant for it
    await asyncio.sleep(1)
    await page.keyboard.press("r")
    await expect(page.get_by_text("All decided")).to_be_visible()
    statuses = {one["amount"]: one["status"] for one in (await seller.api.get("/v1/credit-requests"))["data"]}
    assert statuses == {"51.00": "approved", "52.00": "rejected"}


async def test_a_double_click_decides_one_request(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    for amount in ("31.00", "32.00"):
        await seller.api.post("/v1/credit-requests", {"amount": amount})
    page = await desk.admin_page()
    await page.get_by_role("link", name=re.compile("Credit requests")).first.click()
    mine = page.get_by_role("listbox").get_by_role("option", name=re.compile(seller.username))
    await mine.first.click()
    await page.get_by_role("button", name="Approve").dblclick(delay=80)
    await expect(page.get_by_text(re.compile(r"Approved: \$31\.00"))).to_be_visible()
    await expect(mine).to_have_count(1)
    statuses = {one["amount"]: one["status"] for one in (await seller.api.get("/v1/credit-requests"))["data"]}
    assert statuses == {"31.00": "approved", "32.00": "pending"}


async def test_a_request_that_somebody_else_decides_leaves_its_place_and_its_note_to_no_other(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    made = [await seller.api.post("/v1/credit-requests", {"amount": amount}) for amount in ("21.00", "22.00", "23.00")]
    page = await desk.admin_page()
    await page.get_by_role("link", name=re.compile("Credit requests")).first.click()
    queue = page.get_by_role("listbox")
    await queue.get_by_role("option", name=re.compile(r"\$22\.00")).click()
    await queue.press("n")
    await page.keyboard.type("slip 22")
    colleague = await desk.admin()
    await colleague.post(f"/v1/credit-requests/{made[1]['id']}/reject")
    await expect(queue.get_by_role("option", selected=True)).to_contain_text("$23.00")
    await expect(page.get_by_text("is not pending any more")).to_be_visible()
    await expect(page.get_by_label("Note to the seller")).to_have_value("")


async def test_an_auditor_recomputes_a_hash_in_the_browser_and_verifies_the_journal(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller("40.00")
    # Names that a browser would put into another order than the journal did, and text that needs escapes.
    await seller.api.post(
        "/v1/charges",
        {"phone_number": PHONE, "amount": "1.50", "reference": 'a "b" \\ ü\n', "metadata": {"9": "x", "10": "y"}},
    )
    page = await desk.admin_page()
    for entry in (await seller.api.get("/v1/transactions"))["data"]:
        await page.goto(f"{desk.service.url}/console/#/transactions/{entry['id']}")
        await expect(page.get_by_role("heading", name=f"entry {entry['seq']}")).to_be_visible()
        await page.get_by_role("button", name="Recompute the hash").click()
        await expect(page.locator(".verdict")).to_contain_text("It is the same")
        await expect(page.locator(".verdict code")).to_have_text(entry["hash"])

    await page.get_by_role("link", name="Verification").first.click()
    await page.get_by_role("button", name="Verify now").click()
    # It is the work of processes that are started for it, and wait for a processor behind everything else.
    await expect(page.get_by_role("heading", name="The journal is whole")).to_be_visible(timeout=60_000)


async def test_an_admin_is_disabled_only_after_a_question_since_it_ends_all_its_sessions(desk: Desk) -> None:
    from playwright.async_api import expect

    boss = await desk.admin()
    other = await boss.post("/v1/admins", {"username": "colleague-7", "password": PASSWORD})
    page = await desk.admin_page()
    await page.get_by_role("link", name="Admins").first.click()
    row = page.get_by_role("row", name="colleague-7")
    dialog = page.get_by_role("dialog", name="Disable the admin?")
    await row.get_by_role("button", name="Disable").click()
    await expect(dialog).to_contain_text("all its sessions end")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(row.get_by_role("button", name="Disable")).to_be_focused()
    statuses = {one["id"]: one["status"] for one in (await boss.get("/v1/admins"))["data"]}
    assert statuses[other["id"]] == "active"
    await row.get_by_role("button", name="Disable").click()
    await dialog.get_by_role("button", name="Disable").click()
    await row.get_by_role("button", name="Enable").click()
    await page.get_by_role("dialog").get_by_role("button", name="Enable").click()
    await expect(row.get_by_role("button", name="Disable")).to_be_visible()


async def test_what_was_decided_says_by_whom_on_the_list_and_on_the_page_of_the_seller(desk: Desk) -> None:
    from playwright.async_api import expect

    boss = await desk.admin()
    await boss.post("/v1/admins", {"username": "colleague-8", "password": PASSWORD})
    colleague = await desk.nobody.signed_in("colleague-8", PASSWORD)
    older, seller = await desk.new_seller(), await desk.new_seller()
    await older.api.post("/v1/credit-requests", {"amount": "60.00", "note": "slip 60"})
    asked = await seller.api.post("/v1/credit-requests", {"amount": "61.00", "note": "slip 61"})
    await colleague.post(f"/v1/credit-requests/{asked['id']}/approve", {"note": "seen"})
    page = await desk.admin_page()
    await page.goto(f"{desk.service.url}/console/#/requests?status=approved")
    await expect(page.get_by_role("row", name="slip 61")).to_contain_text("by colleague-8")
    await page.get_by_role("row", name="slip 61").get_by_role("link").click()
    await page.get_by_role("radio", name="Requests").check()
    await expect(page.get_by_role("row", name="slip 61")).to_contain_text("by colleague-8")
    await seller.api.post("/v1/credit-requests", {"amount": "62.00", "note": "slip 62"})
    await page.get_by_role("heading", name="History").hover()
    await page.get_by_role("row", name="slip 62").get_by_role("link", name="Decide").click()
    await expect(page.get_by_role("option", selected=True)).to_contain_text("slip 62")
    await expect(page.locator(".chosen-request")).to_contain_text(seller.username)
    await expect(page.locator(".chosen-request dl")).to_contain_text("If approved$123.00")


async def test_on_a_phone_a_request_is_decided_without_scrolling_to_the_buttons(desk: Desk) -> None:
    from playwright.async_api import expect

    seller = await desk.new_seller()
    for number in range(6):
        await seller.api.post(
            "/v1/credit-requests", {"amount": "5.00", "note": f"A longer note about slip {number}. " * 6}
        )
    page = await desk.admin_page(viewport={"width": 390, "height": 760})
    await page.get_by_role("navigation", name="Quick").get_by_role("link", name=re.compile("Requests")).click()
    mine = page.get_by_role("option", name=re.compile(seller.username))
    await mine.first.click()
    await expect(page.locator(".chosen-request h2")).to_contain_text(seller.username)
    await page.evaluate("window.scrollTo(0, 150)")
    await expect(page.get_by_role("button", name="Approve")).to_be_in_viewport(ratio=1)
    await page.get_by_role("button", name="Approve").click()
    await expect(mine).to_have_count(5)
    await page.get_by_role("button", name="Approve").click()
    await expect(mine).to_have_count(4)
