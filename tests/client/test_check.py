"""``trochil check`` and ``trochil parse``, as whoever has a network would run them; a sandbox
stands for the venue."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.recordings import recording
from trochil.commands.main import main
from trochil.sandbox.process import SandboxProcess


def verdicts(output: str) -> dict[str, str]:
    return {
        line.split()[0]: line[33:41].strip() for line in output.splitlines() if line[:1].isalpha()
    }


def test_a_real_venue_is_only_read_and_with_leave_traded_at() -> None:
    with SandboxProcess("binance", seed=3, rate=20) as sandbox:
        hosts = [f"--host={name}={url}" for name, url in sandbox.hosts["binance"].items()]
        done = CliRunner().invoke(main, ["check", "binance", "--live", *hosts])
        assert done.exit_code == 0, done.output
        found = verdicts(done.output)
        assert {found[case] for case in ("markets_and_rules", "snapshot_and_diffs", "trades")} == {
            "passed"
        }
        assert {found[case] for case in ("gap_resync", "cancel", "balances")} == {"not run"}
        assert sandbox.admin("GET", "status")["orders"] == 0
        key = f"--account=file:{sandbox.keys_file}#default"
        done = CliRunner().invoke(
            main, ["check", "binance", "--live", *hosts, key, "--pair=BTC/USDT", "--trade=50"]
        )
        found = verdicts(done.output)
        assert (found["cancel"], found["balances"], found["gap_resync"]) == (
            "passed",
            "passed",
            "not run",
        )
        orders = sandbox.admin("GET", "orders")
        assert [order["state"] for order in orders] == ["cancelled"]
        assert all(float(order["amount"]) * float(order["price"]) <= 50 for order in orders)


def test_a_case_that_fails_is_reported_and_the_exit_code_says_so() -> None:
    with SandboxProcess("binance", seed=3, rate=0, faults="half_open=1") as sandbox:
        sandbox.admin("POST", "flow", {"paused": True})
        hosts = [f"--host={name}={url}" for name, url in sandbox.hosts["binance"].items()]
        done = CliRunner().invoke(
            main, ["check", "binance", "--live", *hosts, "--account=env:NO_SUCH_KEY"]
        )
    assert done.exit_code == 2
    assert "NO_SUCH_KEY" in done.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nosuch"], "unknown exchange"),
        (["binance", "--live", "--trade=5"], "--account"),
        (["binance", "--live", "--pair=BTCUSDT"], "is not a trading pair"),
    ],
)
def test_bad_arguments_are_said_in_one_line(arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(main, ["check", *arguments])
    assert done.exit_code == 2
    assert says in done.output


def test_frames_are_shown_as_messages_and_counted(tmp_path: Path) -> None:
    frames = tmp_path / "frames.jsonl"
    trade = {
        "e": "trade",
        "s": "BTCUSDT",
        "t": 7,
        "p": "1.5",
        "q": "2",
        "T": 1672515782136,
        "m": True,
    }
    frames.write_text(json.dumps({"stream": "x", "data": trade}) + '\n{"what_is": "this"}\n')
    done = CliRunner().invoke(main, ["parse", str(frames), "--exchange", "binance"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith("1 Trade(symbol=BTCUSDT, trade_id=7, side=sell, price=1.5")
    assert lines[1].startswith("2 rejected: ValueError")
    assert json.loads(lines[2]) == {"frames": 2, "rejected": 1, "Trade": 1}


def test_a_recording_is_parsed_whole() -> None:
    file = recording("binance_spot_btcusdt_20240808.gz")
    done = CliRunner().invoke(main, ["parse", str(file), "--exchange", "binance", "--json"])
    assert json.loads(done.output)["BookDiff"] == 3451


def test_a_file_that_is_not_there_is_an_error() -> None:
    done = CliRunner().invoke(main, ["parse", "nowhere.jsonl", "--exchange", "binance"])
    assert done.exit_code == 2
    assert "no file nowhere.jsonl" in done.output
