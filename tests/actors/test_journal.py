"""The journal on a real SQLite file: intents and fills once, fencing, a broken or full disk."""

import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from decimal import Decimal as D
from pathlib import Path

import msgspec
import pytest

from actors.orders.events import event_of
from actors.orders.journal import Journal
from exchanges.orders import Fill, InFlightOrder, OrderState
from orderbook.errors import ConfigError, Fenced, JournalError
from orderbook.messages import Side


def order(name: str = "x") -> InFlightOrder:
    return InFlightOrder(
        client_order_id=name,
        trading_pair="A-B",
        symbol="AB",
        side=Side.BUY,
        amount=D("1.10"),
        price=D(2),
    )


def fill(trade_id: str = "1") -> Fill:
    return Fill(
        symbol="AB",
        trade_id=trade_id,
        exchange_order_id="9",
        side=Side.BUY,
        price=D(2),
        amount=D("0.1"),
        time=5,
    )


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/private/journal.db"


@pytest.fixture
def journal(address: str) -> Iterator[Journal]:
    found = Journal(address, venue="v", account="a")
    found.open()
    yield found
    found.close()


def again(address: str) -> Journal:
    found = Journal(address, venue="v", account="a")
    found.open()
    return found


def test_an_intent_leads_to_one_order_for_ever(journal: Journal, address: str) -> None:
    assert asyncio.run(journal.intend(order("first"), "i")).client_order_id == "first"
    assert asyncio.run(journal.intend(order("second"), "i")).client_order_id == "first"
    later = again(address)
    found = asyncio.run(later.find_intent("i"))
    later.close()
    assert found == order("first")


def test_an_intent_counts_more_than_the_client_id_of_another(journal: Journal) -> None:
    for name, intent in (("first", "i"), ("second", "j")):
        asyncio.run(journal.intend(order(name), intent))
    assert asyncio.run(journal.intend(order("second"), "i")).client_order_id == "first"
    assert asyncio.run(journal.intend(order("first"), "j")).client_order_id == "second"
    assert asyncio.run(journal.intend(order("first"), "k")).client_order_id == "first"


def test_many_appends_share_commits(journal: Journal) -> None:
    async def main() -> None:
        await asyncio.gather(*(journal.intend(order(f"o{n}"), f"i{n}") for n in range(200)))

    asyncio.run(main())
    assert journal.appends == 200
    assert journal.commits < 20


def test_a_fill_is_booked_once_across_restarts(journal: Journal, address: str) -> None:
    asyncio.run(journal.intend(order(), "i"))
    assert asyncio.run(journal.record(order(), [fill()], []))[0] == [fill()]
    later = again(address)
    assert asyncio.run(later.record(order(), [fill(), fill("2")], []))[0] == [fill("2")]
    rows = asyncio.run(later.all_fills())
    assert asyncio.run(later.last_fill_time("AB")) == 5
    later.close()
    assert [row.trade_id for row in rows] == ["1", "2"]


def test_events_are_numbered_and_replayable(journal: Journal) -> None:
    asyncio.run(journal.intend(order(), "i"))
    both = [event_of("created", order()), event_of("cancelled", order())]
    _, numbers = asyncio.run(journal.record(order(), [], both))
    found = asyncio.run(journal.events_after(numbers[0]))
    assert found == [msgspec.structs.replace(both[1], number=numbers[1])]


def test_closed_orders_are_not_taken_up_again(journal: Journal) -> None:
    asyncio.run(journal.intend(order("open"), "1"))
    asyncio.run(journal.intend(order("done"), "2"))
    done = order("done")
    done.state = OrderState.CANCELLED
    asyncio.run(journal.record(done, [], []))
    assert [o.client_order_id for o in asyncio.run(journal.open_orders())] == ["open"]
    assert len(asyncio.run(journal.all_orders())) == 2


def test_an_older_market_is_fenced_off(journal: Journal, address: str) -> None:
    younger = again(address)
    with pytest.raises(Fenced, match="epoch 2 has begun, epoch 1 can't write"):
        asyncio.run(journal.intend(order(), "i"))
    assert asyncio.run(journal.all_orders()) == []
    assert asyncio.run(younger.intend(order(), "i")) == order()
    assert younger.journal_id == journal.journal_id
    younger.close()


def test_accounts_share_a_file_and_nothing_else(journal: Journal, address: str) -> None:
    other = Journal(address, venue="v", account="b")
    other.open()
    asyncio.run(other.intend(order(), "i"))
    assert other.epoch == 1
    assert asyncio.run(journal.find_intent("i")) is None
    other.close()


def test_the_file_is_private(journal: Journal, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "private" / "journal.db").stat().st_mode) == 0o600


def test_a_file_that_is_no_journal_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"not a database at all " * 100)
    with pytest.raises(
        ConfigError, match=r"bad\.db can't be used: file is not a database; move the file away"
    ):
        Journal(f"sqlite:///{tmp_path}/bad.db", venue="v", account="a").open()


def test_another_schema_is_refused(address: str, journal: Journal, tmp_path: Path) -> None:
    journal.close()
    with sqlite3.connect(tmp_path / "private" / "journal.db") as raw:
        raw.execute("UPDATE about SET value = '99'")
    raw.close()
    with pytest.raises(ConfigError, match="schema 99, this version reads schema 1 and 2"):
        again(address)


@pytest.mark.parametrize("address", ["sqlite://", "nonsense", "nosuchdb://x/y"])
def test_addresses_that_cannot_work_are_named(address: str) -> None:
    with pytest.raises(ConfigError, match="journal"):
        Journal(address, venue="v", account="a").open()


def fill_up(path: Path) -> None:
    """Write until no space is left."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            continue


async def append_many(journal: Journal) -> None:
    for n in range(200):
        await journal.intend(order(f"o{n}"), f"i{n}")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_fails_closed_and_recovers(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", place], check=False
    ).returncode:
        pytest.skip("this machine can't mount")
    try:
        journal = Journal(f"sqlite:///{place}/journal.db", venue="v", account="a")
        journal.open()
        filler = place / "filler"
        fill_up(filler)
        with pytest.raises(JournalError, match="can't be written"):
            asyncio.run(append_many(journal))
        filler.unlink()
        assert asyncio.run(journal.intend(order("after"), "after")).client_order_id == "after"
        journal.close()
    finally:
        subprocess.run(["umount", "-l", place], check=True)
