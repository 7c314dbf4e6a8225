"""Health, and a verification from its start to its end by the service's own command line."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.conftest import Database
from tests.service.shop import Shop


async def test_alive_and_ready(shop: Shop) -> None:
    assert (await shop.nobody.get("/healthz")).json == {"status": "ok"}
    ready = await shop.nobody.get("/readyz")
    assert (ready.status, ready.json) == (200, {"status": "ready"})


async def test_metrics_are_prometheus(shop: Shop) -> None:
    seller = await shop.seller("1.00")
    await seller.sell("1.00")
    await seller.sell("1.00")
    answer = await shop.nobody.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    text = answer.body.decode()
    for line in (
        'charge_shop_decisions_total{kind="charge"} 1.0',
        'charge_shop_decisions_total{kind="declined"} 1.0',
        "charge_shop_actors_loaded 1.0",
        "charge_shop_mailbox_depth 0.0",
    ):
        assert line in text
    assert "charge_shop_flush_duration_seconds_count" in text


async def test_an_operator_is_told_why_a_flush_failed(
    shop: Shop, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A client only hears that its charge was not applied."""
    seller = await shop.seller("100.00")
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("ALTER TABLE cell_00.entries ADD CONSTRAINT a_rule_of_tomorrow CHECK (reference <> 'odd')")
    await owner.close()
    answer = await seller.sell("1.00", reference="odd")
    assert (answer.status, answer.code) == (503, "not_applied")
    assert (await seller.sell("1.00", reference="even")).status == 201

    (told,) = [record for record in caplog.records if record.msg == "flush_failed"]
    assert told.__dict__["kind"] == "FlushRefused"
    assert "a_rule_of_tomorrow" in told.__dict__["reason"]
    metrics = (await shop.nobody.get("/metrics")).body.decode()
    assert 'charge_shop_flush_faults_total{kind="FlushRefused"} 1.0' in metrics


async def verified(shop: Shop) -> Any:
    started = await shop.admin.ask("POST", "/v1/verification")
    assert (started.status, started.json["status"]) == (202, "running")
    path = f"/v1/verification/{started.json['id']}"
    async with asyncio.timeout(60):
        while (shown := await shop.admin.done("GET", path))["status"] == "running":
            await asyncio.sleep(0.05)
    return shown


async def test_a_sound_journal_is_verified_and_a_changed_one_found(
    shop: Shop, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    seller = await shop.seller("100.00")
    for _ in range(5):
        await seller.sell("1.00")
    passed = await verified(shop)
    assert (passed["status"], passed["first_bad"]) == ("passed", None)
    assert (passed["sellers_done"], passed["sellers_total"], passed["entries_checked"]) == (1, 1, 7)
    assert passed["finished_at"] >= passed["started_at"]

    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("ALTER TABLE cell_00.entries DISABLE TRIGGER entries_are_immutable")
    await owner.execute("UPDATE cell_00.entries SET phone_number = '+15550100009' WHERE seq = 4")
    await owner.close()
    failed = await verified(shop)
    assert failed["status"] == "failed"
    assert (failed["first_bad"]["seller_id"], failed["first_bad"]["seq"]) == (seller.id, 4)
    assert failed["first_bad"]["reason"]
    (told,) = [vars(record) for record in caplog.records if record.msg == "verification_failed"]
    assert {name: told[name] for name in failed["first_bad"]} == failed["first_bad"]
    assert told["verification"] == failed["id"]
