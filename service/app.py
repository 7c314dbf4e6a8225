"""The composition: every part of the service made by plain constructors, wired here and nowhere else.

`Services` is what handlers are built from; `running` is the life of it all: connections opened, background tasks
started and watched, and everything closed in the opposite order.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from msgspec.structs import asdict

from actors.account import Rules
from actors.directory import Bounds, Directory, wall_clock_us
from actors.sweeper import sweep_forever
from journal.committer import Submission
from journal.journal import Journal, JournalSettings, JournalState, boot_time_s
from journal.postgres import PostgresStore
from journal.reader import Reader
from journal.reading.cell import READ_SETTINGS
from journal.store import JournalFault
from service.admission import Admission
from service.database import DatabaseHome, pool_of
from service.events.bounds import Bounds as EventBounds
from service.events.feed import Feed
from service.events.register import Register
from service.identity.api_keys import ApiKeys, LastUsed
from service.identity.credentials import Credentials
from service.identity.database import SETTINGS as IDENTITY_SETTINGS
from service.identity.database import Database
from service.identity.housekeeping import keep_house
from service.identity.passwords import Passwords
from service.identity.sellers import Sellers
from service.identity.sign_in import SignIn
from service.identity.sources import Sources
from service.identity.throttle import Throttle
from service.identity.tokens import Tokens
from service.identity.users import Users
from service.known_sellers import KnownSellers
from service.metrics import Metrics
from service.settings import Settings
from service.turnstile import Turnstile
from service.verification_runs import VerificationRun, VerificationRuns

log = logging.getLogger(__name__)

JOURNAL_POOL_MAX = 8
READER_POOL_MAX = 6
IDENTITY_POOL_MAX = 6
STOP_TIMEOUT_S = 5.0
"""For what the end asks of the database: the lease given back, the last uses of API keys written."""


class Services:
    """All the parts, of which handlers take what they need. Made in a running event loop."""

    def __init__(
        self,
        settings: Settings,
        home: DatabaseHome,
        *,
        journal_pool: "asyncpg.Pool[asyncpg.Record]",
        reader_pool: "asyncpg.Pool[asyncpg.Record]",
        identity_pool: "asyncpg.Pool[asyncpg.Record]",
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.sources = Sources(wall_clock_us, os.urandom)
        self.requests_in_flight = 0
        """Kept by `service.endpoint`; the drain waits for it."""
        self.led: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once this instance has held the lease."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the service cannot go on by itself and has to be started again."""

        database = Database(identity_pool)
        self.passwords = Passwords()
        self.last_used = LastUsed(database)
        self.credentials = Credentials(
            database,
            lambda: asyncpg.connect(home.app_url),
            last_used=self.last_used,
            now_us=self.sources.now_us,
            monotonic=boot_time_s,
        )
        self.users = Users(database, self.passwords, self.sources, forget=self.credentials.forget)
        self.tokens = Tokens(database, self.sources, forget=self.credentials.forget)
        self.api_keys = ApiKeys(database, self.last_used, self.sources, forget=self.credentials.forget)
        self.sellers = Sellers(database, self.passwords, self.sources)
        self.sign_in = SignIn(self.users, self.tokens, self.passwords, Throttle(boot_time_s))
        self.database = database
        self.known_sellers = KnownSellers(
            self.sellers.find, self.sellers.find_by_tag, known_max=2 * settings.sellers_loaded_max
        )
        self.verification_runs = VerificationRuns(database, home.app_url, self.sources, on_end=self._verified)

        self.store = PostgresStore(home.app_url, journal_pool)
        self.directory = Directory(
            self.store,
            self.known_sellers.currency_of,
            rules=Rules(settings.second_admin_above),
            bounds=Bounds(
                sellers_loaded_max=settings.sellers_loaded_max,
                seller_in_flight_max=settings.seller_in_flight_max,
                in_flight_max=settings.in_flight_max,
            ),
            count=self.metrics.decided,
        )
        self.writers = Turnstile(
            lane_max=settings.seller_in_flight_max,
            waiting_max=settings.in_flight_max,
            on_their_way=self._on_their_way,
        )
        """For requests that make entries."""
        self.non_writers = Turnstile(
            lane_max=settings.seller_in_flight_max, waiting_max=settings.in_flight_max, on_their_way=lambda: 0
        )
        event_bounds = EventBounds()
        self.feed = Feed(event_bounds)
        self.journal = Journal(
            self.store,
            JournalSettings(
                owner=f"{socket.gethostname()}:{os.getpid()}:{os.urandom(8).hex()}",
                lease_ttl_s=settings.lease_ttl_s,
                is_former_owner_dead=home.is_ours_alone,
            ),
            self.directory,
            on_flush=self.metrics.flushed,
            on_fault=self._flush_failed,
            on_commit=self._committed,
            on_state=self._state_changed,
            on_frozen=_frozen_changed,
            on_lease_fault=_lease_not_reached,
        )
        self.directory.attach(self.journal)
        self.admission = Admission(self.journal, self.credentials)
        self.reader = Reader(reader_pool)
        self.event_streams = Register(
            lambda: self.directory.is_draining or self.journal.state is not JournalState.LEADING, event_bounds
        )
        self._watch()

    def _on_their_way(self) -> int:
        """Entries not yet durable, and their answers.

        0 when a command would be refused anyway, so that the refusal comes at once."""
        is_open = self.journal.is_ready and not self.directory.is_draining
        return self.journal.on_their_way if is_open else 0

    def _state_changed(self, state: JournalState) -> None:
        log.info("journal_state", extra={"state": state.value})
        if state is JournalState.LEADING and not self.led.done():
            self.led.set_result(None)

    def fail(self) -> None:
        """Called when something ended that everything else depends on."""
        if not self.failed.done():
            self.failed.set_result(None)

    def watched(self, name: str, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """A task that runs as long as the service does. If a bug ends it the service ends too, and the log says why: a
        restart is better than half a service that looks whole."""
        task = asyncio.create_task(work, name=name)

        def ended(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and task.exception() is not None:
                log.critical("background_task_died", exc_info=task.exception(), extra={"task": name})
                self.fail()

        task.add_done_callback(ended)
        return task

    def _committed(self, before: int, after: int, submissions: Sequence[Submission]) -> None:
        self.feed.committed(before, after, submissions)
        self.writers.fewer_on_their_way()

    def _flush_failed(self, fault: JournalFault) -> None:
        """Logged and counted, since clients are told only that it was not, or may not have been, applied."""
        kind = type(fault).__name__
        self.metrics.flush_failed(kind)
        log.warning("flush_failed", extra={"kind": kind, "reason": str(fault)})

    def _verified(self, run: VerificationRun) -> None:
        """Counted, unless it was interrupted: then it says nothing about the journal.

        What is bad is logged, too: who changed the journal may change the table of verifications, and a restart forgets
        what was counted."""
        bad = run.progress.first_bad
        if run.status == "failed" and bad is not None:
            log.error("verification_failed", extra={"verification": run.id, **asdict(bad)})
        if run.finished_at_us is not None and (run.status == "passed" or bad is not None):
            self.metrics.verified(int(run.status == "failed"), run.finished_at_us / 1_000_000)

    def _watch(self) -> None:
        """Gauges are read when they are asked for."""
        watch = self.metrics.watch
        watch("mailbox_depth", "Commands that wait in mailboxes.", self.directory.queued)
        turnstiles = (self.writers, self.non_writers)
        watch(
            "requests_waiting",
            "Requests of sellers that wait for their turn.",
            lambda: sum(t.waiting for t in turnstiles),
        )
        watch(
            "requests_being_refused",
            "Requests of sellers that will be told to come back.",
            lambda: sum(t.being_refused for t in turnstiles),
        )
        watch("actors_loaded", "Sellers whose account is in memory.", lambda: self.directory.sellers_loaded)
        watch("commands_in_flight", "Commands that are not answered yet.", lambda: self.directory.in_flight)
        watch("asyncio_tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks()))
        watch("event_streams", "Streams of events that are open.", lambda: self.event_streams.open)
        watch("journal_frozen", "Restored, and not confirmed: 1 while changes are refused.", self._is_frozen)
        self.metrics.watch_state("lease_state", "The lease of this cell.", JournalState, lambda: self.journal.state)

    def _is_frozen(self) -> bool:
        return self.journal.is_frozen and self.journal.state is JournalState.LEADING


def _lease_not_reached(fault: JournalFault) -> None:
    log.warning("lease_not_reached", extra={"reason": str(fault)})


def _frozen_changed(is_frozen: bool) -> None:
    if is_frozen:
        log.warning("journal_frozen", extra={"until": "charge-shop confirm-restore"})
    else:
        log.info("journal_unfrozen")


@asynccontextmanager
async def running(settings: Settings, home: DatabaseHome) -> AsyncIterator[Services]:
    """The services with everything that works in the background. Leaving it gives the lease back."""
    async with AsyncExitStack() as stack:
        journal_pool = await stack.enter_async_context(pool_of(home.app_url, JOURNAL_POOL_MAX))
        reader_pool = await stack.enter_async_context(pool_of(home.app_url, READER_POOL_MAX, READ_SETTINGS))
        identity_pool = await stack.enter_async_context(pool_of(home.app_url, IDENTITY_POOL_MAX, IDENTITY_SETTINGS))
        services = Services(
            settings, home, journal_pool=journal_pool, reader_pool=reader_pool, identity_pool=identity_pool
        )
        stack.push_async_callback(services.store.close)
        stack.callback(services.passwords.close)
        leading = services.watched("journal", services.journal.run())
        leading.add_done_callback(lambda _: services.fail())
        background = [
            services.watched("credentials", services.credentials.run()),
            services.watched("feed", services.feed.run()),
            services.watched("event_streams", services.event_streams.run()),
            services.watched("sweeper", sweep_forever(services.directory)),
            services.watched("housekeeping", keep_house(services.tokens, services.last_used)),
        ]
        if home.server is not None:
            events = logging.getLogger("journal.embedded")
            background.append(services.watched("postgres", home.server.supervise(lambda event: events.warning(event))))
        try:
            yield services
        finally:
            # A database that does not answer must not keep us: whoever still waits for it then is told that it is away.
            for pool in (journal_pool, reader_pool, identity_pool):
                stack.callback(asyncio.get_running_loop().call_later(STOP_TIMEOUT_S, pool.terminate).cancel)
            await services.verification_runs.close()
            services.journal.stop()
            await asyncio.gather(leading, return_exceptions=True)
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            try:
                await services.last_used.flush()
            except Exception as fault:  # Nothing but a display depends on it: the stop goes on.
                log.warning("last_uses_not_written", extra={"reason": f"{type(fault).__name__}: {fault}"})
