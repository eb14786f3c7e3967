"""Rows, frames and words that can't be read: what could be read counts, nothing is concluded
from what is missing."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.channel import Publisher, Reset, Subscriber
from actors.orders.user_stream import BAD_IN_A_ROW
from actors.transport.rest import BAD_FRAMES_KEPT, Rest
from exchanges.contract import Call, ErrorKind, Fault, Request
from exchanges.orders import OrderState, OrderUpdate, UserMessage
from exchanges.rows import BadRow, Rows, RowsDecoder
from orderbook.errors import Disconnected, UnknownOutcome, UnreadableAnswer
from tests.support.channels import run, until
from tests.support.scripted_account import (
    ACCOUNT_VENUE,
    Account,
    AccountDesk,
    ScriptedOrders,
    ScriptedUser,
    account_desk,
    fill_row,
    order_row,
    served,
)

BAD_ORDER = {"id": None, "status": "open"}
BAD_FILL = {"id": "f9", "order": "v1", "price": "x", "amount": "1"}


def at_desk(folder: Path, work: Callable[[AccountDesk], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with account_desk(folder, **options) as at:
            await work(at)

    run(main, within=40)


async def opened(at: AccountDesk, intent: str = "a") -> str:
    """The venue's id of an order that was placed and is open."""
    placed = await at.place(intent)
    await until(lambda: at.market.order_store.orders[placed.client_order_id].exchange_order_id)
    return at.market.order_store.orders[placed.client_order_id].exchange_order_id


# An incomplete answer proves presence, never absence.


def test_a_bad_row_among_open_orders_hides_no_other_and_closes_none(tmp_path: Path) -> None:
    async def work(at: AccountDesk) -> None:
        ours = await opened(at)
        at.account.open_orders = [BAD_ORDER, order_row("other")]
        await at.reconciled()
        assert (await at.known("other")).external
        assert (await at.known(ours)).state is OrderState.OPEN
        assert (await opened(at, "b")).startswith("v"), "another order can be placed"
        assert (await at.market.bad_frames())[-1] == b'{"id": null, "status": "open"}'
        assert at.market.status()["faults"] > 0

    at_desk(tmp_path, work)


def test_trading_is_enabled_though_a_row_of_every_answer_is_bad(tmp_path: Path) -> None:
    account = Account()
    account.open_orders = [BAD_ORDER, order_row("other")]
    account.balances = [{"asset": "A"}, {"asset": "USD", "total": "7"}]
    account.fills = [BAD_FILL, fill_row("f1", "other")]

    async def work(at: AccountDesk) -> None:
        await opened(at)
        assert (await at.known("other")).filled == 1
        assert at.market.order_store.balances["USD"].total == 7

    at_desk(tmp_path, work, account=account)


def test_an_order_whose_own_status_cannot_be_read_is_unknown_and_shuts_nothing(
    tmp_path: Path,
) -> None:
    async def work(at: AccountDesk) -> None:
        ours = await opened(at)
        name = (await at.known(ours)).client_order_id
        at.account.order[name] = "<html>"
        await at.reconciled()
        order = await at.known(ours)
        assert (order.state, order.status_unknown) == (OrderState.OPEN, True)
        assert at.market.status()["ready"]
        await opened(at, "b")
        at.account.order[name] = order_row(ours, "cancelled", client_id=name)
        await until(lambda: at.market.order_store.orders[name].is_done)

    at_desk(tmp_path, work)


def test_many_unreadable_answers_about_an_order_are_no_denial(tmp_path: Path) -> None:
    async def work(at: AccountDesk) -> None:
        placed = await at.place("a")
        at.account.order[placed.client_order_id] = "<html>"
        order = at.market.order_store.orders[placed.client_order_id]
        for _ in range(5):
            await at.market.reconciler.query_order(order)
            await asyncio.sleep(0.1)  # beyond the venue's visibility
        assert not order.is_done

    at_desk(tmp_path, work)


def test_a_balance_is_zero_only_where_a_complete_answer_leaves_it_out(tmp_path: Path) -> None:
    async def work(at: AccountDesk) -> None:
        balances = at.market.order_store.balances
        at.account.balances = [{"asset": "A", "total": "5"}, {"asset": "USD", "total": "7"}]
        await at.reconciled()
        at.account.balances = [{"asset": "USD", "total": "8"}, {"asset": "A", "total": "x"}]
        await at.reconciled()
        assert (balances["A"].total, balances["USD"].total) == (5, 8)
        at.account.balances = [{"asset": "USD", "total": "9"}]
        await at.reconciled()
        assert (balances["A"].total, balances["USD"].total) == (0, 9)

    at_desk(tmp_path, work)


def test_a_reading_that_is_unreadable_as_a_whole_enables_nothing(tmp_path: Path) -> None:
    account = Account()

    async def work(at: AccountDesk) -> None:
        account.open_orders = "<html>"
        account.cut()
        await until(lambda: "can't be read" in at.market.why_disabled)
        assert not at.market.status()["ready"]
        account.open_orders = []
        await at.market.wait_ready(10)

    at_desk(tmp_path, work, account=account)


def test_a_pair_whose_rules_cannot_be_read_any_more_trades_by_those_read_before(
    tmp_path: Path,
) -> None:
    async def work(at: AccountDesk) -> None:
        at.account.rules = [7, ["C-USD"]]
        await at.market._read_rules()
        assert at.market.placer.rules.keys() == {"A-USD", "B-USD", "C-USD"}
        await opened(at)
        at.account.rules = [["A-USD"]]
        await at.market._read_rules()
        assert at.market.placer.rules.keys() == {"A-USD"}

    at_desk(tmp_path, work)


def test_a_reading_during_which_the_stream_broke_enables_nothing(tmp_path: Path) -> None:
    async def work(at: AccountDesk) -> None:
        account = at.account
        account.may_list = asyncio.Semaphore(0)
        account.cut()
        await until(lambda: account.listed == 2)
        account.cut()
        await until(lambda: account.connects == 3)
        await until(lambda: at.market._stream.connected)
        account.may_list.release()
        await until(lambda: account.listed == 3)
        assert not at.market.status()["ready"]
        account.may_list.release()
        await at.market.wait_ready(10)

    at_desk(tmp_path, work)


def test_polling_goes_on_past_a_bad_row(tmp_path: Path) -> None:
    async def work(at: AccountDesk) -> None:
        ours = await opened(at)
        at.account.open_orders = [BAD_ORDER, order_row("other")]
        at.account.fills = [BAD_FILL, fill_row("f1", "other"), fill_row("f2", ours)]
        at.account.balances = [{"asset": "A"}, {"asset": "USD", "total": "7"}]
        await until(lambda: "USD" in at.market.order_store.balances)
        await until(lambda: at.source.status()["faults"] > 3)
        assert at.source.status()["connected"]
        assert (await at.known("other")).filled == 1
        assert (await at.known(ours)).filled == 1
        assert BAD_FILL["id"] in str(await at.source.bad_frames())

    at_desk(tmp_path, work, polling=True)


# Frames of the private stream.


def test_a_bad_row_of_a_private_frame_is_read_from_the_venue_without_a_reconnect(
    tmp_path: Path,
) -> None:
    async def work(at: AccountDesk) -> None:
        ours = await opened(at)
        at.account.fills = [fill_row("f1", ours), fill_row("f9", ours, "0.5")]
        await at.account.send(fills=[fill_row("f1", ours), BAD_FILL])
        order = at.market.order_store.orders[(await at.known(ours)).client_order_id]
        await until(lambda: order.filled == D("1.5"))
        assert at.account.connects == 1
        assert at.market.status()["ready"]
        assert at.source.status()["rejected"] == 1
        assert b'"f9"' in (await at.source.bad_frames())[0]

    at_desk(tmp_path, work)


@pytest.mark.parametrize("frame", ['{"orders": 7}', "{", '{"fills": [{"id": 1'])
def test_a_private_frame_that_cannot_be_read_makes_the_market_read_from_the_venue(
    tmp_path: Path, frame: str
) -> None:
    async def work(at: AccountDesk) -> None:
        ours = await opened(at)
        at.account.fills = [fill_row("f1", ours)]
        await at.account.send_text(frame)
        order = at.market.order_store.orders[(await at.known(ours)).client_order_id]
        await until(lambda: order.filled == 1)
        assert at.account.connects == 1
        assert await at.source.bad_frames() == [frame.encode()]
        await at.account.send(fills=[fill_row("f2", ours)])
        await until(lambda: order.filled == 2)

    at_desk(tmp_path, work)


def test_many_bad_frames_in_a_row_reconnect_and_good_ones_between_them_do_not(
    tmp_path: Path,
) -> None:
    async def work(at: AccountDesk) -> None:
        for _ in range(BAD_IN_A_ROW):
            await at.account.send_text("{")
            await at.account.send(balances=[{"asset": "A", "total": "1"}])
        await until(lambda: at.source.status()["rejected"] == BAD_IN_A_ROW)
        await asyncio.sleep(0.1)
        assert at.account.connects == 1
        for _ in range(BAD_IN_A_ROW):
            await at.account.send_text("{")
        await until(lambda: at.account.connects == 2)
        await at.market.wait_ready(10)

    at_desk(tmp_path, work)


def test_a_flood_of_bad_frames_keeps_trading_from_being_enabled_no_longer_than_one_reading(
    tmp_path: Path,
) -> None:
    async def work(at: AccountDesk) -> None:
        async def flood() -> None:
            while True:
                await at.account.send(fills=[BAD_FILL], balances=[{"asset": "A", "total": "1"}])
                await at.account.send(balances=[{"asset": "A", "total": "1"}])
                await asyncio.sleep(0.01)

        flooding = asyncio.create_task(flood())
        await until(lambda: at.source.status()["rejected"] > 10)
        at.account.cut()
        await until(lambda: not at.market.status()["ready"])
        await at.market.wait_ready(10)
        before = at.market.reconciler.cycles
        await asyncio.sleep(2.5)
        assert at.market.status()["ready"]
        assert 1 <= at.market.reconciler.cycles - before <= 4, "once a second, not once a frame"
        flooding.cancel()

    at_desk(tmp_path, work)


# Words for a state that nobody knows.


def test_an_unknown_word_for_a_state_leaves_the_order_unknown_and_the_others_alone(
    tmp_path: Path,
) -> None:
    async def work(at: AccountDesk) -> None:
        ours = await opened(at, "a")
        second = await opened(at, "b")
        name = (await at.known(ours)).client_order_id
        odd = order_row(ours, "canceling", client_id=name, filled="0.5")
        at.account.order[name] = odd
        await at.account.send(orders=[odd, order_row("foreign", "canceling")])
        await until(lambda: at.market.order_store.orders[name].status_unknown)
        order = await at.known(ours)
        assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, D("0.5"))
        assert not (await at.known(second)).status_unknown
        foreign = await at.known("foreign")
        assert (foreign.external, foreign.status_unknown) == (True, True)
        at.account.open_orders = [odd, order_row(second)]
        await at.reconciled()
        assert at.market.status()["ready"]
        await opened(at, "c")
        at.account.order[name] = order_row(ours, "cancelled", client_id=name, filled="0.5")
        await until(lambda: at.market.order_store.orders[name].is_done)
        assert at.market.order_store.orders[name].state is OrderState.CANCELLED

    at_desk(tmp_path, work)


# Null ids.


def test_a_null_id_is_counted_where_it_is_read_and_the_channel_lives(tmp_path: Path) -> None:
    feed = ScriptedUser(ACCOUNT_VENUE.auth({"api_key": "K", "api_secret": "S"}), {})
    null = order_row("1", client_id=None)
    body = json.dumps({"orders": [null, order_row("2")]}).encode()
    found = list(feed.parse(body))
    assert [type(message) for message in found] == [OrderUpdate, Fault]
    resets: list[Any] = []
    arrived: list[Any] = []

    async def main() -> None:
        publisher = Publisher(f"{tmp_path}/c.sock")
        await publisher.start()

        async def where() -> Any:
            return publisher.endpoint()

        async def follow() -> None:
            async for batch in Subscriber(where, UserMessage).batches():
                for item in batch:
                    (resets if isinstance(item, Reset) else arrived).append(item)

        following = asyncio.create_task(follow())
        await until(lambda: resets and publisher.subscribers == 1)
        for message in found:
            if isinstance(message, OrderUpdate):
                publisher.publish("user", message)
        await until(lambda: arrived)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await publisher.close()

    run(main)
    assert (len(resets), arrived[0].message.exchange_order_id) == (1, "2")


# REST.

NUMBERS = RowsDecoder(int, "$.data")


def numbers(method: str = "GET", mutating: bool = False) -> Call[Rows[int]]:
    request = Request(method, "/orders", is_mutating=mutating)
    return Call(request, lambda answer: NUMBERS.decode(answer.body, lambda number: number))


def at_rest(answer: str, work: Callable[[Rest, list[Fault]], Awaitable[None]]) -> None:
    async def main() -> None:
        account = Account()
        account.open_orders = answer
        faults: list[Fault] = []
        async with served(account) as hosts, aiohttp.ClientSession() as session:
            await work(Rest(ACCOUNT_VENUE, session, hosts, on_fault=faults.append), faults)

    run(main)


def test_bad_rows_of_an_answer_are_counted_kept_logged_once_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work(rest: Rest, faults: list[Fault]) -> None:
        for _ in range(2):
            assert await rest.run(numbers()) == [1, 3]
        assert (rest.faults, rest.status()["faults"]) == (2, 2)
        assert rest.bad_frames() == [b'"two"', b'"two"']
        assert [(fault.kind, fault.frame) for fault in faults] == [
            (ErrorKind.UNREADABLE, b'"two"')
        ] * 2

    with caplog.at_level(logging.WARNING):
        at_rest('[1, "two", 3]', work)
    assert caplog.messages == [
        "scripted: GET /orders: $.data[1]: Expected `int`, got `str`",
    ]


def test_only_the_last_bad_rows_are_kept_and_none_in_full_length() -> None:
    async def work(rest: Rest, faults: list[Fault]) -> None:
        await rest.run(numbers())
        assert rest.faults == BAD_FRAMES_KEPT + 4
        assert len(rest.bad_frames()) == BAD_FRAMES_KEPT
        assert {len(frame) for frame in rest.bad_frames()} == {4096}

    rows = ", ".join(f'"{"x" * 9000}"' for _ in range(BAD_FRAMES_KEPT + 4))
    at_rest(f"[{rows}]", work)


def test_an_answer_that_is_unreadable_as_a_whole_is_kept_and_proves_nothing() -> None:
    async def work(rest: Rest, faults: list[Fault]) -> None:
        with pytest.raises(UnreadableAnswer, match="GET /orders: the answer can't be read"):
            await rest.run(numbers())
        assert issubclass(UnreadableAnswer, Disconnected)
        assert rest.bad_frames() == [b"<html>"]
        assert [fault.kind for fault in faults] == [ErrorKind.UNREADABLE]
        with pytest.raises(UnknownOutcome):
            await rest.run(numbers(mutating=True))

    at_rest("<html>", work)


def test_complete_answers_leave_no_trace() -> None:
    async def work(rest: Rest, faults: list[Fault]) -> None:
        assert await rest.run(numbers()) == [1]
        assert (rest.faults, rest.bad_frames(), faults) == (0, [], [])

    at_rest("[1]", work)


def test_bad_rows_of_a_page_count_too() -> None:
    bad = BadRow("$.fills[0]", "no id", b"{}")
    account = Account()
    account.fills = [{}]

    async def main() -> None:
        async with served(account) as hosts, aiohttp.ClientSession() as session:
            rest = Rest(ACCOUNT_VENUE, session, hosts)
            page = await rest.run(ScriptedOrders({}).fills("A-USD", None))  # type: ignore[arg-type]
            assert (page.items, rest.faults, rest.bad_frames()) == ([], 1, [bad.row])

    run(main)
