"""The write-ahead journal of one account: intents before they are sent, evidence, fills once each,
events by number.

SQLite by default, any database that SQLAlchemy speaks by its address. One thread writes, many
appends a commit. Every append carries the epoch of its market: once a younger market has begun, an
older one can't append, so can't send.
"""

import asyncio
import json
import os
import queue
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, IntegrityError, SQLAlchemyError

from actors.orders.journal_schema import epochs, events, fills, orders, tables, upgrade
from exchanges.order_views import Event, FillView
from exchanges.orders import Fill, InFlightOrder
from orderbook.errors import ConfigError, Fenced, JournalError

T = TypeVar("T")
BUSY_SECONDS = 10
_end: Any = object()


class Journal:
    """One account's journal. Everything but ``open`` and ``close`` may be awaited from one loop."""

    def __init__(self, address: str, *, venue: str, account: str) -> None:
        self.scope = f"{venue}/{account}"
        self._address = address
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.epoch = 0
        self.journal_id = 0
        self.commits = 0
        self.appends = 0

    def open(self) -> None:
        """Make what is missing and begin a new epoch. Raises ConfigError for an address or file
        that can't be used."""
        self._engine = _engine(self._address)
        try:
            tables.create_all(self._engine)
            with self._engine.begin() as connection:
                upgrade(connection)
                self._begin_epoch(connection)
        except SQLAlchemyError as error:
            raise ConfigError(_unusable(self._address, error)) from None
        except msgspec.DecodeError as error:
            raise ConfigError(
                f"journal {_hide(self._address)} has an order that can't be read: {error}"
            ) from None
        self._thread = threading.Thread(
            target=self._write_forever, name=f"journal {self.scope}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        if self._thread is not None:
            self._jobs.put(_end)
            self._thread.join()
            self._thread = None
            self._engine.dispose()

    def _begin_epoch(self, connection: sa.Connection) -> None:
        row = connection.execute(
            sa.select(epochs).where(epochs.c.scope == self.scope).with_for_update()
        ).first()
        self.epoch = row.epoch + 1 if row else 1
        self.journal_id = row.journal_id if row else secrets.randbits(24)
        if row:
            connection.execute(
                epochs.update().where(epochs.c.scope == self.scope).values(epoch=self.epoch)
            )
        else:
            connection.execute(
                epochs.insert().values(
                    scope=self.scope, epoch=self.epoch, journal_id=self.journal_id
                )
            )

    # Writing: jobs of one commit run in one transaction.

    async def _run(self, job: Callable[[sa.Connection], T], *, append: bool) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((job, append, future, asyncio.get_running_loop()))
        return await future

    def _write_forever(self) -> None:
        while True:
            batch = [self._jobs.get()]
            while not self._jobs.empty():
                batch.append(self._jobs.get())
            ending = _end in batch
            self._commit([job for job in batch if job is not _end])
            if ending:
                return

    def _commit(self, batch: list[Any]) -> None:
        """All of a batch in one transaction; if that fails, one by one, so that each gets its
        own answer."""
        if not batch:
            return
        try:
            results = self._transact(batch)
        except Exception as error:
            if len(batch) > 1:
                for job in batch:
                    self._commit([job])
                return
            _answer(batch[0], None, self._translate(error))
            return
        for job, result in zip(batch, results, strict=True):
            _answer(job, result, None)

    def _transact(self, batch: list[Any]) -> list[Any]:
        with self._engine.begin() as connection:
            if any(append for _, append, _, _ in batch):
                self._check_epoch(connection)
            results = [job(connection) for job, _, _, _ in batch]
        self.commits += 1
        self.appends += sum(append for _, append, _, _ in batch)
        return results

    def _check_epoch(self, connection: sa.Connection) -> None:
        query = sa.select(epochs.c.epoch).where(epochs.c.scope == self.scope)
        now = connection.scalar(
            query if connection.dialect.name == "sqlite" else query.with_for_update(read=True)
        )
        if now != self.epoch:
            raise Fenced(
                f"{self.scope}: epoch {now} has begun, epoch {self.epoch} can't write any more"
            )

    def _translate(self, error: Exception) -> Exception:
        if isinstance(error, SQLAlchemyError):
            return JournalError(f"the journal can't be written: {_cause(error)}")
        if isinstance(error, msgspec.ValidationError):
            return JournalError(
                f"the journal of {self.scope} has a row that can't be read: {error}"
            )
        return error

    # Appends.

    async def intend(self, order: InFlightOrder, intent: str) -> InFlightOrder:
        """Write an intent, in one transaction: ``order``, or the one that its intent or its
        client id led to before."""
        name = order.client_order_id
        is_known = sa.or_(orders.c.intent == intent, orders.c.client_order_id == name)
        query = sa.select(orders.c.intent, orders.c.record).where(
            sa.and_(orders.c.scope == self.scope, is_known)
        )

        def job(connection: sa.Connection) -> InFlightOrder:
            found = {row.intent: row.record for row in connection.execute(query)}
            if found:
                return _order(found.get(intent) or next(iter(found.values())))
            self._put_order(connection, order, intent)
            return order

        return await self._run(job, append=True)

    async def record(
        self, order: InFlightOrder, new_fills: list[Fill], new_events: list[Event]
    ) -> tuple[list[Fill], list[int]]:
        """Write an order as it is known, its new fills, and the events that follow: (fills that
        were new, numbers)."""
        text = _encode(order)
        is_open = not order.is_complete

        def job(connection: sa.Connection) -> tuple[list[Fill], list[int]]:
            fresh = [
                fill
                for fill in new_fills
                if self._put_fill(connection, order.client_order_id, fill)
            ]
            where = sa.and_(
                orders.c.scope == self.scope, orders.c.client_order_id == order.client_order_id
            )
            changed = connection.execute(
                orders.update().where(where).values(record=text, open=is_open)
            )
            if not changed.rowcount:
                self._put_order(connection, order, f"external:{order.client_order_id}")
            return fresh, [self._put_event(connection, event) for event in new_events]

        return await self._run(job, append=True)

    def _put_order(self, connection: sa.Connection, order: InFlightOrder, intent: str) -> None:
        row = {
            "scope": self.scope,
            "client_order_id": order.client_order_id,
            "intent": intent,
            "epoch": self.epoch,
        }
        connection.execute(
            orders.insert().values(**row, open=not order.is_complete, record=_encode(order))
        )

    def _put_fill(self, connection: sa.Connection, client_order_id: str, fill: Fill) -> bool:
        row = {"scope": self.scope, "symbol": fill.symbol, "trade_id": fill.trade_id}
        try:
            with connection.begin_nested():
                record = json.dumps(msgspec.to_builtins(msgspec.structs.asdict(fill)))
                values = {
                    **row,
                    "client_order_id": client_order_id,
                    "time": fill.time,
                    "record": record,
                }
                connection.execute(fills.insert().values(**values))
        except IntegrityError:
            return False
        return True

    def _put_event(self, connection: sa.Connection, event: Event) -> int:
        record = msgspec.json.encode(event).decode()
        done = connection.execute(events.insert().values(scope=self.scope, record=record))
        key = done.inserted_primary_key
        assert key is not None
        return int(key[0])

    # Readings.

    async def open_orders(self) -> list[InFlightOrder]:
        where = sa.and_(orders.c.scope == self.scope, orders.c.open)
        return await self._orders(sa.select(orders.c.record).where(where))

    async def all_orders(self, limit: int = 100_000) -> list[InFlightOrder]:
        return await self._orders(
            sa.select(orders.c.record).where(orders.c.scope == self.scope).limit(limit)
        )

    async def _orders(self, query: sa.Select[Any]) -> list[InFlightOrder]:
        def job(connection: sa.Connection) -> list[InFlightOrder]:
            return [_order(text) for text in connection.scalars(query)]

        return await self._run(job, append=False)

    async def find(self, client_order_id: str) -> InFlightOrder | None:
        where = sa.and_(orders.c.scope == self.scope, orders.c.client_order_id == client_order_id)
        return next(iter(await self._orders(sa.select(orders.c.record).where(where))), None)

    async def find_intent(self, intent: str) -> InFlightOrder | None:
        where = sa.and_(orders.c.scope == self.scope, orders.c.intent == intent)
        return next(iter(await self._orders(sa.select(orders.c.record).where(where))), None)

    async def all_fills(self, since: int = 0) -> list[FillView]:
        """Fills not older than ``since`` (ns), oldest first. Their trading pair is the venue's
        symbol here."""

        def job(connection: sa.Connection) -> list[FillView]:
            where = sa.and_(fills.c.scope == self.scope, fills.c.time >= since)
            query = (
                sa.select(fills.c.record, fills.c.client_order_id)
                .where(where)
                .order_by(fills.c.time)
            )
            return [_fill(row.record, row.client_order_id) for row in connection.execute(query)]

        return await self._run(job, append=False)

    async def last_fill_time(self, symbol: str) -> int:
        where = sa.and_(fills.c.scope == self.scope, fills.c.symbol == symbol)
        query = sa.select(sa.func.max(fills.c.time)).where(where)
        return await self._run(lambda connection: int(connection.scalar(query) or 0), append=False)

    async def events_after(self, number: int, limit: int = 1000) -> list[Event]:
        """Events above ``number``, in order, each with its own number."""

        def job(connection: sa.Connection) -> list[Event]:
            where = sa.and_(events.c.scope == self.scope, events.c.number > number)
            query = sa.select(events).where(where).order_by(events.c.number).limit(limit)
            return [_event(row.record, row.number) for row in connection.execute(query)]

        return await self._run(job, append=False)


def _answer(job: Any, result: Any, error: Exception | None) -> None:
    _, _, future, loop = job

    def settle() -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop that asked is gone, and with it whoever waited


def _encode(order: InFlightOrder) -> str:
    return json.dumps(msgspec.to_builtins(order))


def _order(text: str) -> InFlightOrder:
    return msgspec.json.decode(text, type=InFlightOrder)


def _fill(text: str, client_order_id: str) -> FillView:
    record = json.loads(text)
    record |= {"client_order_id": client_order_id, "trading_pair": record["symbol"]}
    return msgspec.convert(record, FillView)


def _event(text: str, number: int) -> Event:
    return msgspec.structs.replace(msgspec.json.decode(text, type=Event), number=number)


def _engine(address: str) -> sa.Engine:
    try:
        url = sa.make_url(address)
        if url.get_backend_name() != "sqlite":
            return sa.create_engine(url, pool_pre_ping=True)
        _make_private(url.database or "")
        engine = sa.create_engine(
            url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}
        )
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise ConfigError(f"journal {_hide(address)} can't be used: {error}") from None
    sa.event.listen(engine, "connect", _set_durable)
    sa.event.listen(
        engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE")
    )
    return engine


def _set_durable(connection: Any, record: Any) -> None:
    connection.isolation_level = (
        None  # SQLAlchemy's own BEGIN counts, the driver's would come too late
    )
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _make_private(path: str) -> None:
    if not path:
        raise ConfigError(
            "a journal in memory would lose orders: name a file, like sqlite:////home/me/journal.db"
        )
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        os.chmod(path, 0o600)
    except OSError as error:
        raise ConfigError(f"journal file {path} can't be used: {error.strerror}") from None


def _unusable(address: str, error: SQLAlchemyError) -> str:
    what = f"journal {_hide(address)} can't be used: {_cause(error)}"
    if (isinstance(error, DatabaseError) and "malformed" in what) or "not a database" in what:
        what += "; move the file away and keep it: "
        what += "a new journal begins, and open orders are found at the venue"
    return what


def _cause(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def _hide(address: str) -> str:
    try:
        return sa.make_url(address).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "(an address that can't be read)"
