"""The state folder is restored from a backup after an order was placed and filled. The next order's
request is lost.

Right: the new order is not filled (it was never sent); its id is not the old one's. Today ids begin
at the backup's number again; the question about the new order finds the old one: "filled 0.30000".
"""

import shutil
import time
from pathlib import Path

import pytest

from tests.known_faults.lab.deployment import deployment
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a journal restored from a backup gives the ids of lost orders again",
)
def test_an_id_is_never_given_twice(tmp_path: Path) -> None:
    state = tmp_path / "state"
    backup = tmp_path / "backup"
    with SandboxProcess("binance", pairs=[PAIR], rate=5, seed=2) as sandbox:
        with deployment(sandbox, PAIR, keys=True, state=state) as client:
            client.market("binance").wait_ready(30)
        shutil.copytree(state, backup)
        with deployment(sandbox, PAIR, keys=True, state=state) as client:
            market = client.market("binance")
            market.wait_ready(30)
            old = market.buy(PAIR, "0.3", "70000").wait("filled", timeout=15)
        with deployment(sandbox, PAIR, keys=True, state=backup) as client:
            market = client.market("binance")
            market.wait_ready(30)
            sandbox.admin("POST", "faults", {"lose_request_before_commit": 1})
            new = market.buy(PAIR, "0.5", "30000")
            time.sleep(6)
            new.refresh()
            assert not new.filled, "an order that was never sent is filled"
            assert new.state != "filled"
            assert new.client_id != old.client_id
