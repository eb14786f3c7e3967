"""Running a foreign client's script beside a sandbox, or within a network namespace of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.foreign.environments import python_of
from trochil.sandbox.process import SandboxProcess

HERE = Path(__file__).parent
CLIENTS = HERE / "clients"
LEAST_LOOKS = 3


class ClientFailed(AssertionError):
    """A client's script ended without a report; with what it wrote."""


def run_client(
    script: str,
    *,
    environment: str,
    exchange: str,
    seconds: float,
    timeout_s: float = 120.0,
    **options: Any,
) -> dict[str, Any]:
    """The report of ``clients/<script>.py`` against a sandbox with ``options`` on this machine.

    ``seconds``: how long books are compared."""
    with SandboxProcess(exchange, **({"seed": 7} | options)) as sandbox:
        variables = client_variables(sandbox, seconds)
        command = [python_of(environment), "-P", CLIENTS / f"{script}.py"]
        done = subprocess.run(
            command,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    return report_of(done)


def run_client_by_names(
    script: str,
    *,
    environment: str,
    exchange: str,
    names: list[str],
    seconds: float,
    ports: list[int] | None = None,
    timeout_s: float = 180.0,
) -> dict[str, Any]:
    """The same in a network namespace, in which all ``names`` lead to the sandbox, with TLS.

    ``ports``: those of the venue's addresses, besides 443."""
    scene = {
        "script": str(CLIENTS / f"{script}.py"),
        "python": str(python_of(environment)),
        "exchange": exchange,
        "names": names,
        "ports": ports or [],
        "seconds": seconds,
    }
    inside = [sys.executable, "-m", "tests.foreign.scene", json.dumps(scene)]
    command = ["unshare", "--map-root-user", "--net", "--mount", *inside]
    done = subprocess.run(
        command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=timeout_s
    )
    return report_of(done)


def client_variables(sandbox: SandboxProcess, seconds: float) -> dict[str, str]:
    """What a script reads of its environment; see ``clients/venue_side.py``."""
    address = {
        "exchange": sandbox.hosts,
        "accounts": sandbox.accounts,
        "pairs": sandbox.pairs,
        "admin": sandbox.admin_url,
        "admin_token": sandbox.admin_token,
    }
    return {
        "SANDBOX": json.dumps(address),
        "SECONDS_OF_FLOW": str(seconds),
        "PYTHONPATH": str(CLIENTS),
    }


def report_of(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    for line in done.stdout.splitlines():
        if line.startswith("REPORT "):
            report: dict[str, Any] = json.loads(line.removeprefix("REPORT "))
            return report
    raise ClientFailed(f"exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}")


def can_make_namespaces() -> bool:
    """Whether this user may make a network namespace on this machine."""
    try:
        probe = subprocess.run(
            ["unshare", "--map-root-user", "--net", "--mount", "true"], capture_output=True
        )
    except FileNotFoundError:
        return False
    return probe.returncode == 0


def assert_books_equal(books: dict[str, Any]) -> None:
    """That each look at a moving market was equal to the ledger."""
    assert books["looks"] >= LEAST_LOOKS, books
    assert books["equal"] == books["looks"], books["first_difference"]
    assert books["different_books"] >= books["looks"] - 1, "the market stood still"
