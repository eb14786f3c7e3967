"""Files that an earlier version left: a journal and a supervisor's memory open with everything as
it was.

tests/goldens/state has files that version made, and what that version read in them.
"""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.orders.journal import Journal
from actors.orders.journal_schema import RENAMED_IN_2, SCHEMA, order_of_schema_1
from actors.runtime import supervisor
from actors.runtime.supervisor import Supervisor, read_desired
from actors.settings import Settings
from exchanges.orders import InFlightOrder
from orderbook.errors import ConfigError, JournalError

STATE = Path(__file__).parents[1] / "goldens" / "state"
EXPECTED = json.loads((STATE / "expected.json").read_text())
FLAGS = {
    "unknown": "status_unknown",
    "cancel_asked": "cancel_requested",
    "told": "emitted_events",
    "external": "external",
    "post_only": "post_only",
}
"""Of an order: the name at the time, and that of today."""


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((STATE / "journal.sql").read_text())
    return path


def opened(path: Path, scope: str = "binance/main") -> Journal:
    venue, account = scope.split("/")
    journal = Journal(f"sqlite:///{path}", venue=venue, account=account)
    journal.open()
    return journal


def orders_in(path: Path, scope: str = "binance/main") -> dict[str, InFlightOrder]:
    journal = opened(path, scope)
    found = asyncio.run(journal.all_orders())
    journal.close()
    return {order.client_order_id: order for order in found}


def records(path: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as database:
        return [json.loads(text) for (text,) in database.execute("SELECT record FROM orders")]


def run(path: Path, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement, values)
        database.commit()


@pytest.mark.parametrize("scope", EXPECTED["journal"])
def test_every_order_has_the_flags_that_it_had(old_file: Path, scope: str) -> None:
    expected = EXPECTED["journal"][scope]
    found = orders_in(old_file, scope)
    assert found.keys() == expected["orders"].keys()
    for name, order in found.items():
        before = expected["orders"][name]["fields"]
        for old, new in FLAGS.items():
            assert getattr(order, new) == before[old], (name, new)
        assert f"OrderState.{order.state.name}" == before["state"]
        assert order.fills.keys() == before["fills"].keys()


def test_open_orders_fills_and_events_are_as_they_were(old_file: Path) -> None:
    expected = EXPECTED["journal"]["binance/main"]
    journal = opened(old_file)
    still_open = asyncio.run(journal.open_orders())
    fills = asyncio.run(journal.all_fills())
    events = asyncio.run(journal.events_after(0))
    journal.close()
    assert sorted(order.client_order_id for order in still_open) == expected["open"]
    assert [fill.trade_id for fill in fills] == [row["trade_id"] for row in expected["fills"]]
    assert [str(fill.fee) for fill in fills] == [row["fee"] for row in expected["fills"]]
    told = [(row["number"], row["kind"], row["client_order_id"]) for row in expected["events"]]
    assert [(event.number, event.kind, event.client_order_id) for event in events] == told


def test_what_an_old_order_emitted_is_not_emitted_again(old_file: Path) -> None:
    found = orders_in(old_file)
    assert found["filled"].emitted_events == ["created", "completed"]


def test_old_rows_are_rewritten_once(old_file: Path) -> None:
    assert any("told" in record for record in records(old_file))
    first = orders_in(old_file)
    rewritten = records(old_file)
    assert not any(record.keys() & RENAMED_IN_2.keys() for record in rewritten)
    with closing(sqlite3.connect(old_file)) as database:
        assert database.execute("SELECT value FROM about").fetchall() == [(str(SCHEMA),)]
    assert orders_in(old_file) == first
    assert records(old_file) == rewritten


def test_a_row_that_cannot_be_read_leaves_an_old_journal_as_it_was(old_file: Path) -> None:
    run(old_file, "UPDATE orders SET record = '{' WHERE client_order_id = 'filled'")
    with closing(sqlite3.connect(old_file)) as database:
        before = list(database.iterdump())
    with pytest.raises(ConfigError, match="has an order that can't be read"):
        opened(old_file)
    with closing(sqlite3.connect(old_file)) as database:
        assert list(database.iterdump()) == before


def test_a_journal_of_a_newer_schema_is_refused_by_its_number(old_file: Path) -> None:
    run(old_file, "UPDATE about SET value = '3'")
    with pytest.raises(ConfigError, match="the journal has schema 3, this version reads"):
        opened(old_file)


def test_a_stored_order_with_a_field_that_is_not_known_is_an_error(old_file: Path) -> None:
    journal = opened(old_file)
    (text,) = [record for record in records(old_file) if record["client_order_id"] == "open"]
    run(
        old_file,
        "UPDATE orders SET record = ? WHERE client_order_id = 'open'",
        json.dumps(text | {"unknown": True}),
    )
    with pytest.raises(JournalError, match="unknown field `unknown`"):
        asyncio.run(journal.open_orders())
    journal.close()


def test_names_of_today_pass_through_the_migration() -> None:
    record = {"status_unknown": True, "emitted_events": ["created"], "amount": "1"}
    assert order_of_schema_1(record) == record


class Nobody:
    """A runner whose actors all run, and peers that take every call."""

    at_once = 1000

    async def spawn(self, spec: Any, settings: dict[str, Any]) -> None:
        return

    async def stop(self, name: str) -> None:
        return

    async def probe(self, name: str) -> dict[str, Any] | None:
        return {"pid": 1, "state": "running", "status": {}}

    async def call(self, actor: str, method: str, *args: Any, **given: Any) -> Any:
        return None


def remembered(folder: Path, change: bool = False) -> dict[str, Any]:
    """What a supervisor makes of the file in ``folder``."""

    async def main() -> dict[str, Any]:
        nobody = Nobody()
        settings = Settings(deployment="stored", state_dir=str(folder))
        found = Supervisor(settings, nobody, nobody)
        await found.start()
        try:
            if change:
                await found.add_pairs("okx", ["SOL-USDT"])
            return {"settings": await found.describe(), "shards": found.status()["shards"]}
        finally:
            await found.tasks.stop()

    return asyncio.run(main())


ADDED_SINCE = {
    "ca_file": "",
    "proxy": "",
    "whole_snapshots": False,
    "trusted_levels": 500,
    "levels_share": 0.1,
    "limits_scale": 1.0,
}
"""Settings of a venue that the earlier version did not have."""


@pytest.fixture
def desired(tmp_path: Path) -> Path:
    (tmp_path / "stored").mkdir()
    shutil.copy(STATE / "desired.json", tmp_path / "stored" / "desired.json")
    return tmp_path / "stored" / "desired.json"


def test_the_desired_state_of_an_earlier_version_is_desired_again(
    desired: Path, tmp_path: Path
) -> None:
    found = remembered(tmp_path)
    expected = {
        name: venue | ADDED_SINCE
        for name, venue in EXPECTED["desired"]["settings"]["venues"].items()
    }
    assert found["settings"]["venues"] == expected
    assert found["shards"] == EXPECTED["desired"]["shards"]


def test_the_desired_state_is_written_with_its_schema_from_then_on(
    desired: Path, tmp_path: Path
) -> None:
    assert "schema" not in json.loads(desired.read_text())
    found = remembered(tmp_path, change=True)
    assert json.loads(desired.read_text())["schema"] == supervisor.SCHEMA
    assert remembered(tmp_path) == found


def test_a_newer_desired_state_is_refused_by_its_number(desired: Path, tmp_path: Path) -> None:
    newer = supervisor.SCHEMA + 1
    kept = json.loads(desired.read_text()) | {"schema": newer, "more": {}}
    desired.write_text(json.dumps(kept))
    with pytest.raises(ConfigError, match=rf"desired\.json: it has schema {newer}, this"):
        remembered(tmp_path)


@pytest.mark.parametrize("change", [{"shards": 7}, {"more": {}}, {"schema": "x"}])
def test_a_desired_state_that_cannot_be_read_is_named(
    desired: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    desired.write_text(json.dumps(json.loads(desired.read_text()) | change))
    with pytest.raises(ConfigError, match=r"desired\.json can't be read"):
        remembered(tmp_path)


def test_the_file_of_today_reads_as_it_was_written() -> None:
    assert read_desired(b'{"settings":{},"shards":{"v":[["A-B"]]},"schema":2}').shards == {
        "v": [["A-B"]]
    }
