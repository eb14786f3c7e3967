"""Hyperliquid's sandbox is the venue to a stranger: its fields, bounds, refusals and its socket."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from exchanges.hyperliquid import HYPERLIQUID
from tests.support.served import Served, serve
from trochil.sandbox.dialects import hyperliquid

pytest.importorskip("eth_account")

PAIR = "BTC-USDC"
OTHER = "ETH-USDC"
COIN = "BTC/USDC"
ASSET = 10_000
GTC = {"limit": {"tif": "Gtc"}}
ORDER = {"a": ASSET, "b": True, "p": "30000", "s": "0.01", "r": False, "t": GTC}
MINE = "0x" + "34" * 16
STRANGER = "0x" + "12" * 20


class Client:
    """A stranger with keys."""

    def __init__(self, at: Served) -> None:
        self.at = at
        self.auth = HYPERLIQUID.auth(at.account.keys)
        self.address = at.account.keys["api_key"]
        self._now = time.time()

    async def info(self, kind: str, **more: Any) -> Any:
        async with self.at.session.post("/info", json={"type": kind, **more}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def signed(self, action: dict[str, Any]) -> Any:
        """With a nonce of its own."""
        self._now += 0.001
        url = f"http://{self.at.host}/exchange"
        return self.auth.generate_auth_dict("POST", url, {}, action, now=self._now)["body"]

    async def act(self, action: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        sent = self.at.session.post("/exchange", data=self.signed(action), headers=headers)
        async with sent as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def place(self, **changes: Any) -> Any:
        """The status of one order."""
        answer = await self.act({"type": "order", "orders": [ORDER | changes], "grouping": "na"})
        assert answer["status"] == "ok", answer
        (status,) = answer["response"]["data"]["statuses"]
        return status

    async def fill(self, **changes: Any) -> Any:
        status = await self.place(p="90000", t={"limit": {"tif": "Ioc"}}, **changes)
        return status["filled"]

    @property
    def orders(self) -> list[Any]:
        return list(self.at.server.venue.orders.values())


def use(work: Callable[[Client], Awaitable[None]]) -> None:
    serve(hyperliquid.Dialect, (PAIR, OTHER), lambda venue: work(Client(venue)))


# Questions.


@pytest.mark.parametrize(("method", "path"), [("GET", "/no/such"), ("GET", "/info")])
def test_what_is_not_served_is_answered_with_nothing(method: str, path: str) -> None:
    async def work(client: Client) -> None:
        async with client.at.session.request(method, path) as answer:
            assert (answer.status, await answer.text()) == (404, "")

    use(work)


def test_refusals_are_plain_texts_and_unknown_coins_are_null() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.post("/info", json={"type": "dreams"}) as answer:
            assert (answer.status, answer.content_type) == (422, "text/plain")
            assert (await answer.text()).startswith("Failed to deserialize the JSON body")
        for question in ({"type": "l2Book", "coin": "NOPE"}, {"type": "meta", "dex": "other"}):
            async with client.at.session.post("/info", json=question) as answer:
                assert (answer.status, await answer.json()) == (500, None)

    use(work)


def test_markets_have_the_fields_that_strict_clients_read() -> None:
    async def work(client: Client) -> None:
        spot, contexts = await client.info("spotMetaAndAssetCtxs")
        assert {"tokenId", "isCanonical", "evmContract", "fullName"} <= set(spot["tokens"][1])
        assert spot["universe"][0]["isCanonical"] is True
        assert {"circulatingSupply", "prevDayPx", "midPx"} <= set(contexts[0])
        perps, contexts = await client.info("metaAndAssetCtxs")
        assert {"universe", "marginTables", "collateralToken"} <= set(perps)
        assert {"funding", "openInterest", "oraclePx", "impactPxs"} <= set(contexts[0])
        mids = await client.info("allMids", dex="")
        assert set(mids) == {COIN, "@1", "BTC", "ETH"}
        book = await client.info("l2Book", coin=COIN)
        assert all("." in level["px"] for side in book["levels"] for level in side)
        await client.fill()
        (trade,) = await client.info("recentTrades", coin=COIN)
        assert trade["users"] == [client.address, "0x" + "0" * 40]
        assert len(trade["hash"]) == 66

    use(work)


def test_an_account_has_the_fields_that_strict_clients_read() -> None:
    async def work(client: Client) -> None:
        user = {"user": client.address}
        await client.place(c=MINE)
        (order,) = await client.info("openOrders", **user)
        assert set(order) == {
            "coin",
            "side",
            "limitPx",
            "sz",
            "oid",
            "timestamp",
            "origSz",
            "cloid",
        }
        (order,) = await client.info("frontendOpenOrders", **user, dex="")
        assert (order["orderType"], order["children"], order["cloid"]) == ("Limit", [], MINE)
        filled = await client.fill(s="1")
        assert filled["totalSz"] == "1"
        newest, _ = await client.info("historicalOrders", **user)
        assert (newest["status"], newest["order"]["oid"]) == ("filled", filled["oid"])
        fill, *_ = await client.info("userFills", **user)
        assert (fill["dir"], fill["crossed"], fill["twapId"]) == ("Buy", True, None)
        state = await client.info("spotClearinghouseState", **user)
        assert {row["coin"]: row["token"] for row in state["balances"]} == {
            "BTC": 1,
            "ETH": 2,
            "USDC": 0,
        }
        perps = await client.info("clearinghouseState", **user)
        assert (perps["assetPositions"], perps["withdrawable"]) == ([], "0.0")
        fees = await client.info("userFees", **user)
        assert {"feeSchedule", "userAddRate", "activeStakingDiscount"} <= set(fees)
        limits = await client.info("userRateLimit", **user)
        assert float(limits["cumVlm"]) > 0
        for kind in ("userFunding", "userNonFundingLedgerUpdates"):
            assert await client.info(kind, **user, startTime=0) == []
        assert await client.info("maxBuilderFee", **user, builder=STRANGER) == 0

    use(work)


def test_more_fills_than_five_hundred_are_all_listed() -> None:
    async def work(client: Client) -> None:
        count = 510
        for _ in range(count):
            await client.fill(s="0.001")
        user = {"user": client.address}
        newest_first = await client.info("userFills", **user)
        assert len(newest_first) >= count
        oldest_first = await client.info("userFillsByTime", **user, startTime=0)
        assert oldest_first == newest_first[::-1]

    use(work)


# Actions.


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"t": {"trigger": {"isMarket": True, "triggerPx": "1", "tpsl": "sl"}}},
            "Invalid TP/SL price.",
        ),
        ({"r": True}, "Reduce only order would increase position."),
    ],
)
def test_an_order_of_another_kind_is_refused_in_its_row(changes: dict[str, Any], why: str) -> None:
    async def work(client: Client) -> None:
        assert await client.place(**changes) == {"error": f"{why} asset={ASSET}"}
        assert client.orders == []

    use(work)


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (
            {"type": "order", "orders": [ORDER], "grouping": "normalTpsl"},
            "Invalid TP/SL price.",
        ),
        (
            {
                "type": "order",
                "orders": [ORDER],
                "grouping": "na",
                "builder": {"b": STRANGER, "f": 10},
            },
            "Builder fee has not been approved.",
        ),
        (
            {"type": "scheduleCancel", "time": int(time.time() * 1000) + 60_000},
            "Cannot set scheduled cancel time until enough volume traded. "
            "Required: $1000000. Traded: $0.00.",
        ),
    ],
)
def test_an_action_that_is_not_offered_is_refused_as_a_whole(
    action: dict[str, Any], why: str
) -> None:
    async def work(client: Client) -> None:
        assert await client.act(action) == {"status": "err", "response": why}
        assert client.orders == []

    use(work)


def test_actions_that_do_nothing_do_nothing() -> None:
    async def work(client: Client) -> None:
        done = {"status": "ok", "response": {"type": "default"}}
        assert await client.act({"type": "noop"}) == done
        assert await client.act({"type": "scheduleCancel"}) == done

    use(work)


def test_who_hashes_zeros_at_the_end_or_another_order_of_fields_is_somebody_else() -> None:
    async def work(client: Client) -> None:
        turned = dict(reversed(ORDER.items()))
        for row in (ORDER | {"p": "30000.0"}, ORDER | {"s": "0.010"}, turned):
            action = {"type": "order", "orders": [row], "grouping": "na"}
            answer = await client.act(action)
            assert answer["response"].startswith("User or API Wallet 0x")
        assert client.orders == []

    use(work)


def test_a_cancel_names_the_orders_asset() -> None:
    async def work(client: Client) -> None:
        oid = (await client.place(c=MINE))["resting"]["oid"]
        wrong = {"type": "cancel", "cancels": [{"a": ASSET + 1, "o": oid}]}
        (status,) = (await client.act(wrong))["response"]["data"]["statuses"]
        assert "never placed" in status["error"]
        right = {"type": "cancelByCloid", "cancels": [{"asset": ASSET, "cloid": MINE}]}
        answer = await client.act(right)
        assert answer["response"] == {"type": "cancel", "data": {"statuses": ["success"]}}

    use(work)


# The socket.


async def said(socket: aiohttp.ClientWebSocketResponse, message: Any) -> Any:
    await socket.send_json(message)
    return await socket.receive_json(timeout=5)


def subscribing(**subscription: Any) -> dict[str, Any]:
    return {"method": "subscribe", "subscription": subscription}


def test_a_subscription_is_taken_once() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/ws") as socket:
            await socket.receive_str()
            message = subscribing(type="trades", coin=COIN)
            assert (await said(socket, message))["channel"] == "subscriptionResponse"
            refusal = await said(socket, message)
            assert refusal["data"] == 'Already subscribed: {"type":"trades","coin":"BTC/USDC"}'

    use(work)


def test_what_may_be_followed_is_sent() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/ws") as socket:
            await socket.receive_str()
            for channel, told in (
                ("bbo", "bbo"),
                ("l2Book", "l2Book"),
                ("activeAssetCtx", "activeSpotAssetCtx"),
            ):
                await said(socket, subscribing(type=channel, coin=COIN))
                assert (await socket.receive_json(timeout=5))["channel"] == told
            await said(socket, subscribing(type="allMids"))
            assert "mids" in (await socket.receive_json(timeout=5))["data"]
            await client.fill()
            client.at.server.send_depth(PAIR)
            channels = {(await socket.receive_json(timeout=5))["channel"] for _ in range(4)}
            assert channels == {"bbo", "l2Book", "activeSpotAssetCtx", "allMids"}

    use(work)


def test_one_connection_follows_several_accounts() -> None:
    async def work(client: Client) -> None:
        other = client.at.server.new_account("other", {"USDC": "1000"}).keys["api_key"]
        async with client.at.session.ws_connect("/ws") as socket:
            await socket.receive_str()
            for user in (client.address, other):
                for channel in ("userEvents", "orderUpdates"):
                    await said(socket, subscribing(type=channel, user=user))
            await said(socket, subscribing(type="userFills", user=other))
            snapshot = await socket.receive_json(timeout=5)
            assert snapshot["data"] == {"isSnapshot": True, "user": other, "fills": []}
            await client.fill()
            channels = [(await socket.receive_json(timeout=5))["channel"] for _ in range(3)]
            assert channels == ["orderUpdates", "orderUpdates", "user"]

    use(work)


def test_questions_and_actions_are_posted() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/ws") as socket:
            await socket.receive_str()

            async def posted(kind: str, payload: Any) -> Any:
                request = {"type": kind, "payload": payload}
                answer = await said(socket, {"method": "post", "id": 7, "request": request})
                assert (answer["channel"], answer["data"]["id"]) == ("post", 7)
                return answer["data"]["response"]

            response = await posted("info", {"type": "l2Book", "coin": COIN})
            assert (response["type"], response["payload"]["type"]) == ("info", "l2Book")
            assert response["payload"]["data"]["coin"] == COIN
            action = {"type": "order", "orders": [ORDER], "grouping": "na"}
            payload = json.loads(client.signed(action))
            response = await posted("action", payload)
            assert response["payload"]["response"]["data"]["statuses"][0]["resting"]
            response = await posted("action", payload)
            assert "duplicate nonce" in response["payload"]["response"]
            response = await posted("info", {"type": "dreams"})
            assert (response["type"], response["payload"][:3]) == ("error", "422")
            question = {"type": "orderStatus", "user": client.address, "oid": 7}
            response = await posted("info", question)
            assert response["payload"]["data"] == {"status": "unknownOid"}
            assert len(client.orders) == 1

    use(work)


# What a fuzz found.


async def posted(client: Client, path: str, text: str) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"}
    async with client.at.session.post(path, data=text, headers=headers) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "meta", "\\ud800": 1}',
        '{"type": "meta", "type": "meta"}',
        '[{"type": "meta"}]',
        "type=meta",
        f'{{"type": "userFunding", "user": "{STRANGER}"}}',
        f'{{"type": "userFunding", "user": "{STRANGER}", "startTime": "1"}}',
        f'{{"type": "userNonFundingLedgerUpdates", "user": "{STRANGER}"}}',
        f'{{"type": "userFills", "user": "{STRANGER}", "aggregateByTime": "false"}}',
    ],
)
def test_a_question_that_does_not_fit_is_refused(text: str) -> None:
    async def work(client: Client) -> None:
        status, said = await posted(client, "/info", text)
        assert (status, said.startswith("Failed to deserialize the JSON body")) == (422, True)

    use(work)


@pytest.mark.parametrize(
    "form",
    [
        lambda text: f"[{text}]",
        lambda text: '{"nonce": 1,' + text[1:],
        lambda text: f"action={text}",
    ],
)
def test_an_action_of_another_form_is_refused(form: Callable[[str], str]) -> None:
    async def work(client: Client) -> None:
        action = {"type": "order", "orders": [ORDER], "grouping": "na"}
        status, _ = await posted(client, "/exchange", form(client.signed(action).decode()))
        assert (status, client.orders) == (422, [])

    use(work)


@pytest.mark.parametrize(
    "changes", [{"v": 0}, {"v": 1}, {"v": "27"}, {"r": "1_0"}, {"r": "0x\uff11"}]
)
def test_numbers_of_a_signature_have_one_form(changes: dict[str, Any]) -> None:
    async def work(client: Client) -> None:
        for _ in range(4):  # about half of all signatures have the other v
            sent = json.loads(client.signed({"type": "noop"}))
            sent["signature"] |= changes
            status, _ = await posted(client, "/exchange", json.dumps(sent))
            assert status == 422

    use(work)
