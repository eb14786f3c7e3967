"""A feed that needs a login, and a deployment that has no key or a wrong one."""

from pathlib import Path
from typing import Any

import pytest

import trochil
from exchanges.registry import get
from orderbook.errors import NotReady
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox


def book_of(sandbox: SandboxProcess, folder: Path, feed: str, **options: Any) -> None:
    name = sandbox.exchange
    venue = {"hosts": sandbox.hosts[name], "feed": feed}
    config = {"deployment": "keys", "state_dir": str(folder), "venues": {name: venue}}
    pair = sandbox.pairs[0]
    with trochil.connect(name, pairs=[pair], config=config, address="inline", **options) as client:
        client.book(name, pair, timeout=4)


@pytest.mark.parametrize(
    ("venue", "feed"), [("coinbase", ""), ("coinbase", "level2"), ("kraken", "level3")]
)
def test_without_a_key_the_error_says_that_one_may_be_needed(
    venue: str, feed: str, tmp_path: Path
) -> None:
    assert not feed or feed in get(venue).feeds
    with (
        SandboxProcess(venue, rate=5) as sandbox,
        pytest.raises(NotReady, match="key: name one in accounts"),
    ):
        book_of(sandbox, tmp_path, feed)


def test_with_a_wrong_key_the_error_has_the_venues_words(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.touch(0o600)
    keys.write_text('[wrong]\napi_key = "a"\napi_secret = "Yg=="\npassphrase = "c"\n')
    with (
        SandboxProcess("coinbase", rate=5) as sandbox,
        pytest.raises(NotReady, match="Authentication Failed"),
    ):
        book_of(sandbox, tmp_path, "", accounts={"coinbase": f"file:{keys}#wrong"})
