"""Makes tests/goldens/state: ``python -m tests.goldens.make_state``, in the repository's root.

journal.sql is the dump of a journal, and desired.json the memory of a supervisor, both as the real
classes wrote them; expected.json is what the same code reads back. Whether trading is halted,
whether a gate is open and what balances there are is kept in memory alone: none of it stands in
these files.
"""

import asyncio
import json
import sqlite3
import tempfile
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from actors.clock import Clock
from actors.orders.journal import Journal
from actors.orders.order_store import OrderStore
from actors.runtime.supervisor import Supervisor
from actors.settings import ActorSpec, Settings, VenueSettings, to_dict
from exchanges.orders import (
    Fill,
    InFlightOrder,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
    TradingRule,
)
from orderbook.messages import Side
from tests.goldens.canonical import FIELDS, FIELDS_FILE, canonical

FOLDER = Path(__file__).parent / "state"
ACCOUNTS = (("binance", "main"), ("kraken", "second"))
START = 1_790_000_000_000_000_000
SETTINGS = Settings(
    deployment="stored",
    journal="postgresql://trader@database/journal",
    shared_memory="/dev/shm/books",
    actor_cpus=0.25,
    rules_refresh=60.0,
    venues={
        "binance": VenueSettings(
            pairs=["BTC-USDT", "ETH-USDT", "SOL-USDT"],
            accounts={"main": "env:BINANCE", "second": "file:/keys.toml#binance"},
            pairs_per_shard=2,
            testnet=True,
        ),
        "kraken": VenueSettings(
            pairs=["BTC-USD"],
            accounts={"second": "env:KRAKEN"},
            feed="level3",
            capacity=16384,
        ),
        "okx": VenueSettings(
            pairs=["BTC-USDT", "ETH-USDT"],
            hosts={"rest": "http://rest", "public": "ws://public", "private": "ws://private"},
            user_stream="polling",
        ),
        "ccxt:gate": VenueSettings(pairs=["BTC-USDT"], ccxt={"options": {"defaultType": "spot"}}),
    },
)


class Scene:
    """One account whose orders go through everything that an order can go through."""

    def __init__(self, journal: Journal) -> None:
        self.now = START
        clock = Clock(self._time, self._time)
        self.order_store = OrderStore(journal, clock, lambda point: None, lambda event: None)
        rule = TradingRule(
            trading_pair="BTC-USDT",
            symbol="BTCUSDT",
            base="BTC",
            quote="USDT",
            price_tick=Decimal("0.01"),
            size_step=Decimal("0.00001"),
        )
        self.order_store.rules_by_symbol = {rule.symbol: rule}
        self.trades = 0

    def _time(self) -> float:
        self.now += 1_000_000_000
        return self.now / 1e9

    async def order(self, name: str, **terms: Any) -> InFlightOrder:
        given: dict[str, Any] = {"side": Side.BUY, "amount": Decimal("1.50")}
        given["price"] = Decimal("25000.10")
        order = InFlightOrder(
            client_order_id=name,
            trading_pair="BTC-USDT",
            symbol="BTCUSDT",
            created=self.now,
            **(given | terms),
        )
        return await self.order_store.intend(order, f"intent-{name}")

    async def update(self, order: InFlightOrder, state: OrderState, **said: Any) -> None:
        self.now += 1_000_000
        update = OrderUpdate(
            symbol=order.symbol,
            state=state,
            client_order_id=order.client_order_id,
            exchange_order_id=f"venue-{order.client_order_id}",
            time=self.now,
            **said,
        )
        await self.order_store.take_update(update)

    async def fill(self, order: InFlightOrder, amount: str, **said: Any) -> None:
        self.now += 1_000_000
        self.trades += 1
        terms: dict[str, Any] = {"side": order.side, "fee": Decimal("0.0010"), "fee_asset": "USDT"}
        terms |= said
        fill = Fill(
            symbol=order.symbol,
            trade_id=f"trade-{self.trades}",
            exchange_order_id=f"venue-{order.client_order_id}",
            client_order_id=order.client_order_id,
            price=Decimal("25000.05"),
            amount=Decimal(amount),
            time=self.now,
            **terms,
        )
        await self.order_store.take_fill(fill)

    async def play(self) -> None:
        await self._open_ones()
        await self._closed_ones()
        await self._others()

    async def _open_ones(self) -> None:
        await self.order("pending")
        pending_unknown = await self.order("pending-unknown", side=Side.SELL)
        await self.order_store.mark_unknown(pending_unknown, "no answer")
        resting = await self.order("open", post_only=True, tag="maker")
        await self.update(resting, OrderState.OPEN)
        lost = await self.order("open-unknown")
        await self.update(lost, OrderState.OPEN)
        await self.order_store.mark_unknown(lost, "the stream broke")
        asked = await self.order("open-cancel-asked")
        await self.update(asked, OrderState.OPEN)
        await self.order_store.request_cancel(asked)
        part = await self.order("partially-filled")
        await self.update(part, OrderState.PARTIALLY_FILLED, filled=Decimal("0.5"))
        await self.fill(part, "0.5", is_maker=True)
        both = await self.order("partially-filled-unknown-cancel-asked", side=Side.SELL)
        await self.fill(both, "0.25", is_maker=False)
        await self.order_store.request_cancel(both)
        await self.order_store.mark_unknown(both, "no answer to the cancel")

    async def _closed_ones(self) -> None:
        filled = await self.order("filled", tif=TimeInForce.FOK)
        await self.fill(filled, "1.00", is_maker=False)
        await self.fill(filled, "0.50", is_maker=True, fee=Decimal("-0.0001"), fee_asset="BNB")
        quote = Decimal("37500.075")
        await self.update(filled, OrderState.FILLED, filled=Decimal("1.50"), quote_filled=quote)
        market = await self.order("filled-market", type=OrderType.MARKET, price=None)
        await self.fill(market, "1.50", side=None, is_maker=None, fee=Decimal(0), fee_asset="")
        waiting = await self.order("filled-but-a-fill-is-missing")
        await self.fill(waiting, "0.5")
        await self.update(waiting, OrderState.FILLED, filled=Decimal("1.5"))
        cancelled = await self.order("cancelled")
        await self.update(cancelled, OrderState.OPEN)
        await self.order_store.request_cancel(cancelled)
        await self.update(cancelled, OrderState.CANCELLED, reason="user")
        after_part = await self.order("cancelled-after-a-part")
        await self.fill(after_part, "0.75")
        await self.update(after_part, OrderState.CANCELLED, left=Decimal("0.75"))
        expired = await self.order("expired", tif=TimeInForce.IOC)
        await self.update(expired, OrderState.EXPIRED)
        rejected = await self.order("rejected")
        await self.order_store.close(rejected, OrderState.REJECTED, "Insufficient balance (-2010)")
        denied = await self.order("not-placed")
        await self.order_store.mark_unknown(denied, "no answer")
        await self.order_store.close(denied, OrderState.NOT_PLACED, "never found")
        revived = await self.order("rejected-then-open")
        await self.order_store.close(revived, OrderState.REJECTED, "a refusal")
        await self.update(revived, OrderState.OPEN)

    async def _others(self) -> None:
        terms: dict[str, Any] = {"side": Side.SELL, "amount": Decimal(2), "price": Decimal(30000)}
        for number, state in enumerate((OrderState.OPEN, OrderState.CANCELLED), 1):
            update = OrderUpdate(
                symbol="BTCUSDT",
                state=state,
                exchange_order_id=f"foreign-{number}",
                time=self.now + number,
                type=OrderType.LIMIT,
                **terms,
            )
            await self.order_store.take_update(update)
        named = OrderUpdate(
            symbol="BTCUSDT",
            state=OrderState.PARTIALLY_FILLED,
            client_order_id="of-another-program",
            exchange_order_id="foreign-3",
            filled=Decimal("0.1"),
            quote_filled=Decimal(3000),
            time=self.now,
            **terms,
        )
        await self.order_store.take_update(named)


async def read_journal(address: str) -> dict[str, Any]:
    """All that a journal of every account gives, by account."""
    found = {}
    for venue, account in ACCOUNTS:
        journal = Journal(address, venue=venue, account=account)
        journal.open()
        try:
            orders = await journal.all_orders()
            names = [order.client_order_id for order in orders]
            asked = [f"intent-{name}" for name in names]
            intents = {intent: await journal.find_intent(intent) for intent in asked}
            found[journal.scope] = {
                "epoch": journal.epoch,
                "journal_id": journal.journal_id,
                "orders": {order.client_order_id: canonical(order) for order in orders},
                "open": sorted(order.client_order_id for order in await journal.open_orders()),
                "complete": sorted(order.client_order_id for order in orders if order.is_complete),
                "intents": {i: o.client_order_id for i, o in intents.items() if o is not None},
                "fills": msgspec.to_builtins(await journal.all_fills()),
                "last_fill_time": await journal.last_fill_time("BTCUSDT"),
                "events": msgspec.to_builtins(await journal.events_after(0)),
            }
        finally:
            journal.close()
    return found


class Nobody:
    """A runner whose actors all run, and peers that take every call."""

    at_once = 1000

    async def spawn(self, spec: ActorSpec, settings: dict[str, Any]) -> None:
        return

    async def stop(self, name: str) -> None:
        return

    async def probe(self, name: str) -> dict[str, Any] | None:
        return {"pid": 1, "state": "running", "status": {}}

    async def call(self, actor: str, method: str, *args: Any, **given: Any) -> Any:
        return None


async def read_desired(state_dir: Path) -> dict[str, Any]:
    """What a supervisor makes of the file that another left in ``state_dir``."""
    nobody = Nobody()
    settings = Settings(deployment=SETTINGS.deployment, state_dir=str(state_dir))
    supervisor = Supervisor(settings, nobody, nobody)
    await supervisor.start()
    try:
        status = supervisor.status()
        return {
            "settings": await supervisor.describe(),
            "shards": status["shards"],
            "halted": status["halted"],
            "specs": await supervisor.specs(),
        }
    finally:
        await supervisor.tasks.stop()


async def write_desired(state_dir: Path) -> str:
    """The text of the file. Where it lies is no part of it: ``state_dir`` stands for that."""
    nobody = Nobody()
    base = to_dict(SETTINGS) | {"venues": {}, "state_dir": str(state_dir)}
    supervisor = Supervisor(Settings(**base), nobody, nobody)
    await supervisor.start()
    await supervisor.ensure(to_dict(SETTINGS))
    await supervisor.add_pairs("kraken", ["ETH-USD", "SOL-USD"])
    await supervisor.remove_pairs("binance", ["BTC-USDT"])
    await supervisor.add_pairs("binance", ["XRP-USDT", "ADA-USDT"])
    await supervisor.tasks.stop()
    text = (state_dir / SETTINGS.deployment / "desired.json").read_text()
    return text.replace(str(state_dir), SETTINGS.state_dir)


async def write_journal(address: str) -> None:
    for venue, account in ACCOUNTS:
        first = Journal(address, venue=venue, account=account)
        first.open()
        scene = Scene(first)
        if account == "main":
            await scene.play()
        else:
            filled = await scene.order("of-the-second-account")
            await scene.fill(filled, "1.50")
        first.close()


def dump(path: Path) -> str:
    """As SQL. Statistics and the write-ahead log are no part of it."""
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump()) + "\n"


def load(sql: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(sql)


async def make() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await write_journal(f"sqlite:///{folder}/journal.db")
        sql = dump(folder / "journal.db")
        (FOLDER / "journal.sql").write_text(sql)
        copy = folder / "copy.db"
        load(sql, copy)
        expected = {"journal": await read_journal(f"sqlite:///{copy}")}
        desired = await write_desired(folder)
        (FOLDER / "desired.json").write_text(desired)
        again = folder / "again"
        (again / SETTINGS.deployment).mkdir(parents=True)
        (again / SETTINGS.deployment / "desired.json").write_text(desired)
        expected["desired"] = await read_desired(again)
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    FIELDS_FILE.write_text(json.dumps(dict(sorted(FIELDS.items())), indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(make())
