"""Whether our reading of a venue's wire holds: the conformance cases against the real venue, or against its sandbox."""

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
from trochil.conformance.desk import Desk, sandbox_desk


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
    """Run every case that may run, one after the other.

    real: at the venue itself (``testnet``: its test hosts; ``hosts``: others), read only but with ``trade``: the most
    that an order may be worth, in quote. account: a reference to a key. Without ``real``: the sandbox, all cases.
    Raises ConfigError.
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
        else sandbox_desk(exchange, feed) as desk
    ):
        if trade is not None:
            desk.value = trade
        for case in CASES.values():
            why = _not_run(case, exchange, desk, real, bool(account), trade is not None)
            yield Checked(case.id, "not run", 0.0, why) if why else _run(case, desk)


def _not_run(
    case: Case, exchange: Exchange, desk: Desk, real: bool, has_key: bool, may_trade: bool
) -> str:
    if case.id in exchange.about.not_applicable:
        return f"does not apply: {exchange.about.not_applicable[case.id]}"
    if case.id == "signature_vectors" and not desk.vectors():
        return "no published vectors are installed here"
    if not real:
        return ""
    if "sandbox" in case.needs:
        return "only a sandbox can be made to do this"
    if "keys" in case.needs and not has_key:
        return "needs --account"
    return "would trade: needs --trade AMOUNT" if "trade" in case.needs and not may_trade else ""


def _run(case: Case, desk: Desk) -> Checked:
    began = time.monotonic()
    try:
        case.run(desk)
    except (AssertionError, TrochilError, TimeoutError) as error:
        return Checked(
            case.id, "failed", time.monotonic() - began, f"{type(error).__name__}: {error}".strip()
        )
    return Checked(case.id, "passed", time.monotonic() - began, "")


@contextmanager
def _real(
    exchange: Exchange, testnet: bool, hosts: dict[str, str], pair: str, account: str, feed: str
) -> Iterator[Desk]:
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
            desk = Desk(exchange, client, found, None)
            desk.prepare(has_key=bool(account))
            yield desk
