"""Venues behind a proxy, by setting or environment, for REST and sockets; no password is told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import trochil
from actors.runtime.component_factory import rest_of
from actors.settings import VenueSettings, load_settings
from actors.transport.proxies import proxy_by_setting, proxy_for, without_credentials
from actors.transport.websocket import ExchangeSocket
from exchanges.registry import get
from orderbook.errors import ConfigError, Disconnected, NotReady
from tests.support.forward_proxy import ForwardProxy, forward_proxy
from trochil.sandbox.process import SandboxProcess

NOWHERE = "venue.invalid"
"""A host that has no address: only a proxy could reach it."""
PASSWORD = "mallory:s3cret-w0rd"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with forward_proxy() as found:
        yield found


async def ask_by_rest(setting: str, scheme: str) -> None:
    venue = get("binance")
    hosts = {
        "rest": f"{scheme}://{NOWHERE}",
        "public": "ws://x.invalid",
        "private": "ws://x.invalid",
    }
    rest = rest_of(venue, VenueSettings(hosts=hosts, proxy=setting))
    assert venue.server_time is not None
    try:
        await rest.run(venue.server_time)
    finally:
        await rest.close()


async def open_a_socket(setting: str, scheme: str) -> None:
    scheme = {"http": "ws", "https": "wss"}[scheme]
    async with ExchangeSocket(f"{scheme}://{NOWHERE}/ws", proxy=proxy_by_setting(setting)):
        pass


Work = Callable[[str, str], Awaitable[None]]


@pytest.mark.parametrize("work", [ask_by_rest, open_a_socket])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", ["{}_PROXY", "{}_proxy", "ALL_PROXY", "the setting"])
def test_the_proxy_is_asked_for_what_only_it_can_reach(
    name: str, scheme: str, work: Work, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{proxy.port}"
    setting = address if name == "the setting" else ""
    if not setting:
        name = name.format(scheme if name.endswith("proxy") else scheme.upper())
        monkeypatch.setenv(name, address)
    with pytest.raises(Disconnected):
        asyncio.run(work(setting, scheme))
    assert len(proxy.heard) >= 1
    assert NOWHERE in proxy.heard[0]


@pytest.mark.parametrize("work", [ask_by_rest, open_a_socket])
def test_no_proxy_of_the_environment_is_used_where_it_says_so(
    work: Work, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(Disconnected):
        asyncio.run(work("none", "http"))
    monkeypatch.setenv("NO_PROXY", f"other.invalid,.{NOWHERE}")
    with pytest.raises(Disconnected):
        asyncio.run(work("", "http"))
    assert proxy.heard == []


def test_own_addresses_are_reached_directly_unless_the_setting_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:1")
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert proxy_for(f"http://{host}:80/x", "") is None
        assert proxy_for(f"ws://{host}:80/x", "http://other:2") == "http://other:2"
    monkeypatch.setenv("HTTP_PROXY", "socks5://proxy:1")
    assert proxy_for("http://a.invalid", "") is None


@pytest.mark.parametrize(
    "setting", [f"http://{PASSWORD}@proxy:1", "proxy:1", "socks5://proxy:1", "environment"]
)
def test_a_setting_that_is_none_is_refused_without_its_words(setting: str) -> None:
    with pytest.raises(ConfigError, match="proxy") as refused:
        load_settings({"venues": {"binance": {"proxy": setting}}})
    assert "s3cret" not in str(refused.value)
    assert setting not in str(refused.value)


def test_a_variable_must_be_there_and_have_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="MY_PROXY is not set in the environment"):
        proxy_by_setting("env:MY_PROXY")
    for text in (f"socks5://{PASSWORD}@proxy:1", f"http://{PASSWORD}@proxy:port", "http://"):
        monkeypatch.setenv("MY_PROXY", text)
        with pytest.raises(ConfigError, match="MY_PROXY must be http") as refused:
            proxy_by_setting("env:MY_PROXY")
        assert "s3cret" not in str(refused.value)
    with pytest.raises(ConfigError, match="the setting must be http"):
        proxy_by_setting("http://host:port")
    monkeypatch.setenv("HTTP_PROXY", f"http://{PASSWORD}@proxy:port")
    with pytest.raises(Disconnected, match="no readable URL") as unreadable:
        proxy_for("http://a.invalid", "")
    assert "s3cret" not in str(unreadable.value)


def test_credentials_are_left_out_of_texts() -> None:
    text = f"can't reach http://{PASSWORD}@proxy:8080/ nor https://user@other"
    assert without_credentials(text) == "can't reach http://***@proxy:8080/ nor https://***@other"


@pytest.mark.parametrize("work", [ask_by_rest, open_a_socket])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_is_named_without_its_password(
    scheme: str, work: Work, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with forward_proxy("another:password") as proxy:
        monkeypatch.setenv("MY_PROXY", f"http://{PASSWORD}@127.0.0.1:{proxy.port}")
        with pytest.raises(trochil.TrochilError, match="407|proxy") as refused:
            asyncio.run(work("env:MY_PROXY", scheme))
    assert "s3cret" not in f"{refused.value!r} {caplog.text}"
    assert proxy.heard


@pytest.mark.sandbox
@pytest.mark.parametrize("tls", [False, True])
def test_a_deployment_reads_and_trades_by_a_proxy_with_a_password(
    tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        SandboxProcess("binance", pairs=["BTC-USDT"], rate=20, tls=tls) as sandbox,
        forward_proxy(PASSWORD) as proxy,
    ):
        monkeypatch.setenv("MY_PROXY", f"http://{PASSWORD}@127.0.0.1:{proxy.port}")
        config: dict[str, Any] = sandbox.config | {"deployment": "proxied"}
        config["venues"]["binance"]["proxy"] = "env:MY_PROXY"
        accounts = sandbox.key_references
        with trochil.connect(
            "binance", pairs=["BTC-USDT"], accounts=accounts, config=config, address="inline"
        ) as client:
            assert client.book("binance", "BTC-USDT").top().bid > 0
            market = client.market("binance")
            market.wait_ready(20)
            assert market.buy("BTC-USDT", "0.01", "30000").wait("open", timeout=5).state == "open"
            told = f"{client.status()!r} {client.status().actors}"
    assert any(line.startswith("CONNECT") for line in proxy.heard)
    assert tls or any(line.startswith("GET http://") for line in proxy.heard)
    assert "s3cret" not in told + caplog.text


@pytest.mark.sandbox
def test_a_deployment_behind_a_dead_proxy_says_so(tmp_path: Path) -> None:
    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=5) as sandbox:
        config: dict[str, Any] = sandbox.config | {"deployment": "dead-proxy"}
        config["venues"]["binance"]["proxy"] = "http://127.0.0.1:1"
        error = ""
        try:
            with trochil.connect(
                "binance", pairs=["BTC-USDT"], config=config, address="inline"
            ) as client:
                client.book("binance", "BTC-USDT", timeout=3)
        except (NotReady, Disconnected) as raised:
            error = str(raised)
    assert "no connection" in error


def test_the_setting_travels_between_actors_as_a_reference() -> None:
    settings = load_settings({"venues": {"binance": {"proxy": "env:MY_PROXY"}}})
    assert b"env:MY_PROXY" in msgspec.json.encode(settings)


@pytest.mark.sandbox
def test_a_sandbox_of_this_machine_is_used_directly_behind_a_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=20) as sandbox:
        config: dict[str, Any] = sandbox.config | {"deployment": "direct"}
        with trochil.connect(
            "binance", pairs=["BTC-USDT"], config=config, address="inline"
        ) as client:
            assert client.book("binance", "BTC-USDT").top().bid > 0
        assert sandbox.admin("GET", "status")
