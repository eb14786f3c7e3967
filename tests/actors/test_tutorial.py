"""The tutorial's table: each row is called on the running sandbox, and its effect asserted."""

from collections.abc import Iterator

import pytest

import trochil
from tests.conftest import config_for
from tests.support import tutorial_books, tutorial_market
from tests.support.tutorial_world import CHECKS, OTHER, PAIR, World, rows
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox

__all__ = ["tutorial_books", "tutorial_market"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with SandboxProcess("binance", pairs=[PAIR, OTHER], seed=9) as sandbox:
        config = config_for(sandbox, tmp_path_factory.mktemp("state"), "tutorial")
        keys = {"binance": f"file:{sandbox.keys_file}#default"}
        with trochil.connect(
            "binance", pairs=[PAIR, OTHER], accounts=keys, config=config, address="inline"
        ) as client:
            for pair in (PAIR, OTHER):
                client.book("binance", pair)
            client.market("binance").wait_ready()
            yield World(client, sandbox)


@pytest.mark.parametrize("name", rows())
def test_each_row_does_what_it_says(world: World, name: str) -> None:
    world.client._thread.run(CHECKS[name](world))


def test_no_check_is_without_a_row() -> None:
    assert set(CHECKS) == set(rows())
