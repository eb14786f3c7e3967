"""``trochil check``: the conformance cases, run against a real venue or its sandbox."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

from exchanges.contract import Exchange
from exchanges.registry import get
from orderbook.errors import ConfigError, TrochilError
from trochil.client import connect
from trochil.conformance.cases import CASES, Case
from trochil.conformance.venue_harness import VenueHarness, sandbox_harness


class Checked(NamedTuple):
    """One case: passed, failed, or why it did not run."""

    case: str
    verdict: str
    seconds: float
    detail: str


def check_exchange(
    name: str,
    *,
    real: bool,
    testnet: bool = False,
    hosts: dict[str, str] | None = None,
    pair: str = "",
    account: str = "",
    trade: Decimal | None = None,
    feed: str = "",
) -> Iterator[Checked]:
    """Run every applicable case, one after the other. Raises ConfigError.

    real: at the venue itself (``testnet``: its test hosts; ``hosts``: others); without it, all
    cases in the sandbox. Without ``trade`` a check of the real venue is read-only. trade: the
    maximum value of an order, in quote. account: a reference to a key.
    """
    exchange = get(name)
    if trade is not None and not account:
        raise ConfigError(
            "--trade needs --account, a reference to a key: env:NAME or file:PATH#section"
        )
    if real and not hosts and not testnet and exchange.closed:
        raise ConfigError(f"{name} can't be checked live: {exchange.closed}")
    with (
        _real(exchange, testnet, hosts or {}, pair, account, feed)
        if real
        else sandbox_harness(exchange, feed) as harness
    ):
        if trade is not None:
            harness.value = trade
        for case in CASES.values():
            why = _not_run(case, exchange, harness, real, bool(account), trade is not None)
            yield Checked(case.id, "not run", 0.0, why) if why else _run(case, harness)


def _not_run(
    case: Case,
    exchange: Exchange,
    harness: VenueHarness,
    real: bool,
    has_key: bool,
    may_trade: bool,
) -> str:
    if case.id in exchange.about.not_applicable:
        return f"does not apply: {exchange.about.not_applicable[case.id]}"
    if case.id == "signature_vectors" and not harness.vectors():
        return "no published vectors are installed here"
    if not real:
        return ""
    if "sandbox" in case.needs:
        return "only a sandbox can be made to do this"
    if "keys" in case.needs and not has_key:
        return "needs --account"
    return "would trade: needs --trade AMOUNT" if "trade" in case.needs and not may_trade else ""


def _run(case: Case, harness: VenueHarness) -> Checked:
    began = time.monotonic()
    try:
        case.run(harness)
    except (AssertionError, TrochilError, TimeoutError) as error:
        return Checked(
            case.id, "failed", time.monotonic() - began, f"{type(error).__name__}: {error}".strip()
        )
    return Checked(case.id, "passed", time.monotonic() - began, "")


@contextmanager
def _real(
    exchange: Exchange, testnet: bool, hosts: dict[str, str], pair: str, account: str, feed: str
) -> Iterator[VenueHarness]:
    name = exchange.name
    with tempfile.TemporaryDirectory(prefix="trochil-check-") as folder:
        venue: dict[str, Any] = {"hosts": hosts, "testnet": testnet, "feed": feed}
        config = {"deployment": f"check-{name}", "state_dir": folder, "venues": {name: venue}}
        accounts = {name: account} if account else None
        chosen = [pair] if pair else "top:1"
        with connect(
            name, pairs=chosen, accounts=accounts, config=config, address="inline"
        ) as client:
            found = pair or client.books(name)[0].trading_pair
            harness = VenueHarness(exchange, client, found, None)
            harness.prepare(has_key=bool(account))
            yield harness
