"""A journal and a supervisor's memory that were left are read as who wrote them read them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from actors.orders.events import event_of
from actors.orders.journal import Journal
from exchanges.orders import OrderState
from tests.goldens.canonical import new_name
from tests.goldens.make_state import (
    ACCOUNTS,
    FOLDER,
    SETTINGS,
    load,
    read_desired,
    read_journal,
)

EXPECTED = json.loads((FOLDER / "expected.json").read_text())
STATES = "PENDING OPEN PARTIALLY_FILLED CANCELLED EXPIRED REJECTED NOT_PLACED FILLED"
SCOPES = [f"{venue}/{account}" for venue, account in ACCOUNTS]


def renamed(owner: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row that was stored under old names."""
    return {new_name(owner, name): value for name, value in row.items()}


def only_stored(row: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """What a row has besides is new."""
    return {name: value for name, value in row.items() if name in stored}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    load((FOLDER / "journal.sql").read_text(), path)
    return asyncio.run(read_journal(f"sqlite:///{path}"))


def test_the_stored_journal_has_orders_of_every_state_and_flag() -> None:
    orders = [order["fields"] for order in EXPECTED["journal"]["binance/main"]["orders"].values()]
    states = {order["state"] for order in orders}
    assert states == {f"OrderState.{name}" for name in STATES.split()}
    for flag in ("unknown", "external", "cancel_asked", "post_only"):
        assert {order[flag] for order in orders} == {True, False}, flag
    kinds = {event["kind"] for event in EXPECTED["journal"]["binance/main"]["events"]}
    assert kinds == {"created", "filled", "completed", "cancelled", "expired", "failure"}
    assert len(OrderState) >= len(states)


@pytest.mark.parametrize("scope", SCOPES)
def test_every_order_is_read_with_every_field(found: dict[str, Any], scope: str) -> None:
    stored = EXPECTED["journal"][scope]
    assert len(stored["orders"]) > 0
    assert found[scope]["orders"] == stored["orders"]
    for name in ("open", "complete", "intents"):
        assert found[scope][name] == stored[name], name


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("rows", "owner"), [("fills", "Fill"), ("events", "Event")])
def test_fills_and_events_are_read_in_order(
    found: dict[str, Any],
    scope: str,
    rows: str,
    owner: str,
) -> None:
    stored = [renamed(owner, row) for row in EXPECTED["journal"][scope][rows]]
    now = found[scope][rows]
    assert len(now) == len(stored) > 0
    assert [only_stored(row, kept) for row, kept in zip(now, stored, strict=True)] == stored


@pytest.mark.parametrize("scope", SCOPES)
def test_epochs_go_on_and_ids_do_not_begin_again(found: dict[str, Any], scope: str) -> None:
    for name in ("epoch", "journal_id", "last_fill_time"):
        assert found[scope][name] == EXPECTED["journal"][scope][name], name


def test_a_stored_journal_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    load((FOLDER / "journal.sql").read_text(), path)

    async def main() -> None:
        journal = Journal(f"sqlite:///{path}", venue="binance", account="main")
        journal.open()
        try:
            for order in await journal.open_orders():
                await journal.record(order, [], [event_of("seen", order)])
            last = (await journal.events_after(0))[-1]
            assert last.kind == "seen"
        finally:
            journal.close()

    asyncio.run(main())


def test_what_was_desired_is_desired_again(tmp_path: Path) -> None:
    folder = tmp_path / SETTINGS.deployment
    folder.mkdir()
    (folder / "desired.json").write_text((FOLDER / "desired.json").read_text())
    now = asyncio.run(read_desired(tmp_path))
    stored = EXPECTED["desired"]
    assert stored["settings"]["venues"].keys() == SETTINGS.venues.keys()
    for venue, kept in stored["settings"]["venues"].items():
        wanted = renamed("VenueSettings", kept)
        assert only_stored(now["settings"]["venues"][venue], wanted) == wanted
    whole = renamed("Settings", {n: v for n, v in stored["settings"].items() if n != "venues"})
    assert only_stored(now["settings"], whole) == whole
    specs = [renamed("ActorSpec", spec) for spec in stored["specs"]]
    assert len(now["specs"]) == len(specs) > 0
    assert [only_stored(s, kept) for s, kept in zip(now["specs"], specs, strict=True)] == specs
    assert (now["shards"], now["halted"]) == (stored["shards"], stored["halted"])
