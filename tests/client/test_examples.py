"""The examples run as they stand; a job submitted from a user's own directory finds what an earlier
one left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import BIN, config_for
from trochil.sandbox.process import SandboxProcess

ROOT = Path(__file__).parents[2]


def run(*command: str, cwd: Path = ROOT, timeout: float = 120) -> str:
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, cwd=cwd, check=False
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout


def test_the_quickstart_fills_an_order() -> None:
    assert "filled filled 0.01" in run(sys.executable, "examples/quickstart.py")


def test_the_notebook_runs_top_to_bottom(tmp_path: Path) -> None:
    notebook = str(ROOT / "examples" / "book_and_order.ipynb")
    run(
        str(BIN / "jupyter"),
        "nbconvert",
        "--to",
        "html",
        "--execute",
        "--output-dir",
        str(tmp_path),
        notebook,
    )
    page = (tmp_path / "book_and_order.html").read_text()
    assert "<caption>binance BTC-USDT</caption>" in page
    assert "image/png" in page
    assert "partially_filled" in page


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_job_from_an_own_directory_leaves_actors_that_a_second_one_finds(
    ray_address: str, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "driver.py").write_text((ROOT / "examples" / "driver.py").read_text())
    with SandboxProcess("binance", pairs=["BTC-USDT", "ETH-USDT"]) as sandbox:
        config = config_for(sandbox, tmp_path / "state", "jobs")
        config["venues"]["binance"] |= {
            "pairs": ["BTC-USDT", "ETH-USDT"],
            "accounts": {"default": f"file:{sandbox.keys_file}#default"},
        }
        (work / "deployment.yaml").write_text(yaml.safe_dump(config))
        first, second = (submit(work, "python", "driver.py", "deployment.yaml") for _ in range(2))
        assert processes(first) == processes(second)
        assert len(processes(first)) == 6
        for said in (first, second):
            assert said.count(" LIVE epoch ") == 2
        run(str(BIN / "trochil"), "down", "--deployment", "jobs")

        # A user's own file that hides one of our packages: named in a job; beside a script, -P
        # works, workers included.
        (work / "orderbook.py").write_text("hidden = True\n")
        assert "orderbook.py hides" in submit(
            work, "python", "driver.py", "deployment.yaml", fails=True
        )
        assert (
            run(sys.executable, "-P", "driver.py", "deployment.yaml", cwd=work).count(
                " LIVE epoch "
            )
            == 2
        )
        run(str(BIN / "trochil"), "down", "--deployment", "jobs")


def submit(work: Path, *command: str, fails: bool = False) -> str:
    address = os.environ["TROCHIL_TEST_DASHBOARD"]
    job = [
        str(BIN / "ray"),
        "job",
        "submit",
        "--address",
        address,
        "--working-dir",
        str(work),
        "--",
        *command,
    ]
    ended = subprocess.run(job, capture_output=True, text=True, timeout=180, check=False)
    assert (ended.returncode != 0) == fails, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout


def processes(said: str) -> set[str]:
    return {line for line in said.splitlines() if " in process " in line}
