"""What the sandbox's Hyperliquid believes: signatures by their signer, nonces once and near its
clock."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from exchanges.hyperliquid import HYPERLIQUID
from trochil.sandbox.process import SandboxProcess

ACTION = {"type": "cancel", "cancels": [{"a": 10000, "o": 1}]}
DAY = 86_400.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("hyperliquid", pairs=["BTC-USDC"], seed=2) as process:
        yield process


def signed(sandbox: SandboxProcess, now: float | None = None) -> dict[str, Any]:
    auth = HYPERLIQUID.auth(sandbox.accounts["default"])
    host = sandbox.hosts["hyperliquid"]["rest"]
    made = auth.generate_auth_dict("POST", f"{host}/exchange", {}, ACTION, now=now or time.time())
    body: dict[str, Any] = json.loads(made["body"])
    return body


def said(sandbox: SandboxProcess, body: dict[str, Any], path: str = "exchange") -> Any:
    url = f"{sandbox.hosts['hyperliquid']['rest']}/{path}"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_an_action_counts_once(sandbox: SandboxProcess) -> None:
    body = signed(sandbox)
    assert said(sandbox, body)["status"] == "ok"
    why = f"Invalid nonce: duplicate nonce {body['nonce']}"
    assert said(sandbox, body) == {"status": "err", "response": why}


@pytest.mark.parametrize("days", [-2.1, 1.1])
def test_nonces_are_near_its_clock(sandbox: SandboxProcess, days: float) -> None:
    assert "Invalid nonce" in said(sandbox, signed(sandbox, time.time() + days * DAY))["response"]


@pytest.mark.parametrize(
    "change",
    [
        {"action": {"type": "cancel", "cancels": [{"a": 10000, "o": 2}]}},
        {"nonce": 1},
        {"vaultAddress": "0x" + "12" * 20},
        {"expiresAfter": 1},
    ],
)
def test_what_was_signed_otherwise_is_somebody_else_s(
    sandbox: SandboxProcess, change: dict[str, Any]
) -> None:
    answer = said(sandbox, signed(sandbox) | change)
    assert answer["status"] == "err"
    assert answer["response"].startswith("User or API Wallet 0x")


def test_strangers_have_nothing_and_no_role(sandbox: SandboxProcess) -> None:
    stranger = {"user": "0x" + "12" * 20}
    assert said(sandbox, {"type": "userRole", **stranger}, "info") == {"role": "missing"}
    assert said(sandbox, {"type": "spotClearinghouseState", **stranger}, "info") == {"balances": []}
    status, why = said(sandbox, {"type": "dreams"}, "info")
    assert (status, why[:21]) == (422, "Failed to deserialize")
