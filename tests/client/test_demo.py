"""The demo and the command line, as a user runs them."""

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import BIN
from tests.support.recordings import recording

WANTED = {
    "exchange",
    "pairs",
    "updates_per_s",
    "latency_us",
    "orders",
    "fills",
    "balances_match",
    "actors",
    "errors",
}


def trochil(*arguments: str, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "trochil"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, env=os.environ | env
    )


def check(summary: dict[str, Any], processes: int) -> None:
    assert set(summary) == WANTED
    assert len(summary["pairs"]) == 4
    assert all(
        found["state"] == "LIVE" and found["best_bid"] < found["best_ask"]
        for found in summary["pairs"].values()
    )
    orders = summary["orders"]
    assert set(orders) == {
        "placed",
        "filled",
        "partially_filled",
        "cancelled",
        "rejected",
        "open",
        "unknown",
    }
    assert (orders["open"], orders["unknown"], summary["errors"]) == (0, 0, [])
    assert orders["placed"] == orders["filled"] + orders["cancelled"] + orders["rejected"]
    assert min(orders["filled"], orders["partially_filled"], orders["cancelled"]) > 0
    assert summary["balances_match"] is True
    assert summary["latency_us"]["n"] > 50
    assert len(set(summary["actors"].values())) == processes


def test_the_demo_runs_inline() -> None:
    ended = trochil("demo", "--seconds", "6", "--json", "--inline")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    check(json.loads(ended.stdout.splitlines()[-1]), processes=1)


@pytest.mark.ray
@pytest.mark.filterwarnings("default")
def test_the_demo_runs_on_ray_with_a_process_for_each_actor(ray_address: str) -> None:
    ended = trochil("demo", "--seconds", "6", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    check(json.loads(ended.stdout.splitlines()[-1]), processes=6)


@pytest.mark.ray
@pytest.mark.filterwarnings("default")
def test_a_replay_runs_through_ray_actors(ray_address: str) -> None:
    file = str(recording("BINANCE.ws.1.0"))
    ended = trochil("replay", file, "--exchange", "binance", "--pair", "NKN-USDT", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["gaps"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("demo", "--exchange", "nowhere"), "unknown exchange 'nowhere'; known are"),
        (("replay", "/none", "--exchange", "binance", "--pair", "BTCUSDT"), "BASE-QUOTE"),
        (
            ("replay", "/none", "--exchange", "binance", "--pair", "BTC-USDT", "--inline"),
            "no recording at /none",
        ),
        (("up", "-f", "/none.yaml"), "/none.yaml can't be read"),
        (("cancel",), "write one order's client id, or --all"),
        (("pairs", "add", "binance"), "trochil pairs add VENUE PAIR"),
    ],
)
def test_mistakes_are_one_clear_line(arguments: tuple[str, ...], said: str) -> None:
    ended = trochil(*arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = trochil("sandbox", "binance", "--port", str(taken.getsockname()[1]))
    assert ended.returncode == 2
    assert "can't be used" in ended.stderr
    assert "choose another --port" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "the sandbox can't play 'nowhere'; it plays binance"),
        (("binance", "--faults", "gremlins=1"), "unknown fault 'gremlins'"),
        (("binance", "--faults", "http_503=often"), "write name=number"),
        (("binance", "--pairs", "BTCUSDT"), "BASE-QUOTE"),
    ],
)
def test_the_sandbox_names_what_is_wrong(arguments: tuple[str, ...], said: str) -> None:
    ended = trochil("sandbox", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr


@pytest.mark.ray
@pytest.mark.filterwarnings("default")
def test_a_deployment_is_run_from_the_command_line(ray_address: str, tmp_path: Path) -> None:
    import yaml

    from trochil.sandbox.process import SandboxProcess

    with SandboxProcess("binance", pairs=["BTC-USDT", "ETH-USDT"]) as sandbox:
        venue = {"hosts": sandbox.hosts["binance"], "pairs": ["BTC-USDT"]}
        venue["accounts"] = {"default": f"file:{sandbox.keys_file}#default"}
        config = {
            "deployment": "cli",
            "state_dir": str(tmp_path / "state"),
            "venues": {"binance": venue},
        }
        file = tmp_path / "deployment.yaml"
        file.write_text(yaml.safe_dump(config))
        assert "market/binance/default" in good("up", "-f", str(file), "--dry-run")
        good("up", "-f", str(file))
        here = ("--deployment", "cli")
        good("pairs", "add", "binance", "ETH-USDT", *here)
        found = json.loads(good("status", "--json", *here))
        assert len(found["actors"]) == 6
        assert "the venue accepted the key" in good("keys", "check", "binance", *here)
        assert {
            "venue": "binance",
            "asset": "BTC",
            "total": "10",
            "available": "10",
            "held": "0",
        } in json.loads(good("balances", "--json", *here))
        assert json.loads(good("orders", "--json", *here)) == []
        assert json.loads(good("fills", "--json", *here)) == []
        assert "halted" in good("halt", *here)
        assert "resumed" in good("resume", *here)
        good("cancel", "--all", *here)
        assert "cli is down" in good("down", *here)
        assert "no deployment 'cli' runs" in trochil("status", *here).stderr
        assert "ok   shared memory" in good("doctor", "-f", str(file))


def good(*arguments: str) -> str:
    ended = trochil(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
