"""Pairs of which one isn't listed, or doesn't trade now: the others are served, and it is named."""

from pathlib import Path
from typing import Any

import pytest

import trochil
from orderbook.errors import BadPair
from tests.conftest import config_for
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox
PAIRS = ["BTC-USDT", "LUNA-USDT", "ETH-USDT"]


def connect(sandbox: SandboxProcess, folder: Path, pairs: list[str]) -> Any:
    config = config_for(sandbox, folder, "one-gone") | {"rules_refresh": 0.5}
    return trochil.connect("binance", pairs=pairs, config=config, address="inline")


def test_an_unlisted_pair_is_named_once_and_the_others_are_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        SandboxProcess("binance", pairs=["BTC-USDT", "ETH-USDT"], rate=50) as sandbox,
        connect(sandbox, tmp_path, PAIRS) as client,
    ):
        assert client.book("binance", "BTC-USDT").top().bid > 0
        assert client.book("binance", "ETH-USDT").top().bid > 0
        assert [book.trading_pair for book in client.books()] == ["BTC-USDT", "ETH-USDT"]
        with pytest.raises(BadPair, match="no pair LUNA-USDT"):
            client.book("binance", "LUNA-USDT")
        with pytest.raises(BadPair, match="no pair LUNA-USDT"):
            client.add_pairs("binance", "LUNA-USDT")
    told = [record.getMessage() for record in caplog.records if record.name == "trochil.aio"]
    assert told == ["not served: binance has no pair LUNA-USDT"]


def test_where_every_pair_is_unlisted_connect_refuses(tmp_path: Path) -> None:
    with (
        SandboxProcess("binance", pairs=["BTC-USDT"], rate=5) as sandbox,
        pytest.raises(BadPair, match="no pair LUNA-USDT"),
    ):
        connect(sandbox, tmp_path, ["LUNA-USDT", "UST-USDT"])


def test_a_halted_pair_is_served_once_it_trades(tmp_path: Path) -> None:
    with SandboxProcess("binance", pairs=["BTC-USDT", "ETH-USDT"], rate=50) as sandbox:
        sandbox.admin("POST", "delist", {"pair": "ETH-USDT"})
        with connect(sandbox, tmp_path, ["BTC-USDT", "ETH-USDT"]) as client:
            assert client.book("binance", "BTC-USDT").top().bid > 0
            with pytest.raises(BadPair, match="ETH-USDT"):
                client.book("binance", "ETH-USDT", timeout=1)
            sandbox.admin("POST", "list", {"pair": "ETH-USDT"})
            assert client.book("binance", "ETH-USDT", timeout=15).top().bid > 0
