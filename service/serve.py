"""`charge-shop serve`: start-up, the wait for a signal, and the drain.

Whatever fails during start-up is undone, and reported as one clear line.
"""

import asyncio
import gc
import logging
import socket
from typing import Any

from journal.embedded.server import Say
from service.app import Services, running
from service.database import DatabaseHome, bring_up_to_date, home_for_serving
from service.http.bounds import bounds_of
from service.http.client_address import trust_in
from service.http.server import HttpServer, address_of, listen, stop_signal
from service.identity.first_admin import ensure_first_admin
from service.routes import application_of
from service.settings import Settings

log = logging.getLogger(__name__)


async def serve(settings: Settings, say: Say) -> bool:
    """Serves until SIGTERM or SIGINT; False when it ended because it could not go on.

    Raises PortInUse, EmbeddedPostgresError or SchemaFault, each with one line."""
    stopping = asyncio.ensure_future(stop_signal())
    bound = listen(settings.host, settings.port)
    try:
        life = asyncio.ensure_future(_serve(settings, say, bound, stopping))
        # Until it serves, it can be stopped anywhere: nothing has been promised to anybody.
        await _first_of(life, stopping)
        return await life
    except asyncio.CancelledError:
        return True
    finally:
        bound.close()
        stopping.cancel()


async def _serve(settings: Settings, say: Say, bound: socket.socket, stopping: "asyncio.Future[None]") -> bool:
    """While it starts the signal cancels it; once it serves it waits for the signal, and drains."""
    this = asyncio.current_task()
    assert this is not None

    def cancel(_: object) -> None:
        this.cancel()

    stopping.add_done_callback(cancel)
    async with home_for_serving(settings.data_dir, settings.database_url, settings.migration_url, say) as home:
        applied = await bring_up_to_date(home)
        if applied:
            say(f"applied {applied} migrations")
        async with running(settings, home) as services:
            first_password = await ensure_first_admin(
                services.database, services.passwords, services.sources, password=settings.admin_password
            )
            server = HttpServer(
                application_of(services),
                bound,
                lambda: services.requests_in_flight,
                bounds_of(settings.connections_max),
                trust_in(settings.trusted_proxies),
            )
            services.metrics.watch("connections_open", "Connections of clients.", lambda: server.connections_open)
            await server.start()
            _calm_the_garbage_collector()
            stopping.remove_done_callback(cancel)
            if home.is_ours_alone:
                await _first_of(services.led, stopping, services.failed)
            address = address_of(bound)
            log.info("serving", extra={"address": address})
            _welcome(say, address, home, settings, first_password)
            if services.journal.is_frozen:
                say("RESTORED: this journal takes no changes until you run `charge-shop confirm-restore`.")
            await _first_of(stopping, services.failed)
            is_failed = services.failed.done()
            await _drain(services, server, settings.drain_timeout_s)
        return not is_failed


def _calm_the_garbage_collector() -> None:
    """What is loaded by now stays, so it need not be walked again; requests leave hardly any cycles behind. To walk
    10,000 new objects, as of a large batch, takes 5 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 40, 50)


async def _first_of(*events: "asyncio.Future[Any]") -> None:
    await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)


async def _drain(services: Services, server: HttpServer, timeout_s: float) -> None:
    log.info("draining")
    services.directory.drain()
    await server.drain(timeout_s)
    await server.close()
    log.info("drained")


def _welcome(say: Say, address: str, home: DatabaseHome, settings: Settings, first_password: str | None) -> None:
    where = f"embedded PostgreSQL in {settings.data_dir}" if home.server else "served PostgreSQL"
    say(f"Charge Shop is serving at {address} (journal: {where}; API: {address}/swagger/)")
    if first_password is not None:
        say(f"\nThe first admin, shown this once:\n    username: admin\n    password: {first_password}")
    hint = "" if first_password else ", with the password of the admin `admin` for ADMIN_PASSWORD"
    say(f"\nTry it: paste these lines into another terminal{hint}.")
    say(CURL_LINES.replace("ADDRESS", address).replace("ADMIN_PASSWORD", first_password or "ADMIN_PASSWORD"))
    say("Press Ctrl-C to stop.")


CURL_LINES = r"""
    shop=ADDRESS/v1; json='Content-Type: application/json'
    word() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
    admin=$(curl -s $shop/auth/token -H "$json" -d '{"username":"admin","password":"ADMIN_PASSWORD"}' | word token)
    as_admin="Authorization: Bearer $admin"
    seller=$(curl -s $shop/sellers -H "$as_admin" -H "$json" \
      -d '{"username":"corner-shop","password":"a long password","name":"Corner Shop"}' | word id)
    curl -sw '\n' $shop/sellers/$seller/adjustments -H "$as_admin" -H "$json" \
      -d '{"amount":"100.00","direction":"credit","reason":"opening credit"}'
    token=$(curl -s $shop/auth/token -H "$json" \
      -d '{"username":"corner-shop","password":"a long password"}' | word token)
    curl -sw '\n' $shop/charges -H "Authorization: Bearer $token" -H "$json" -H "Idempotency-Key: first-sale" \
      -d '{"phone_number":"+15550100001","amount":"5.00"}'
    curl -sw '\n' $shop/balance -H "Authorization: Bearer $token"
"""
