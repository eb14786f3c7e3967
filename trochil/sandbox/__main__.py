"""``python -m trochil.sandbox EXCHANGE``: the local venue in the foreground, or behind
``SandboxProcess``."""

import argparse
import asyncio
import json
import signal
import sys
from decimal import Decimal
from typing import Any

from aiohttp import web

from trochil.sandbox import dialects
from trochil.sandbox.admin import Admin
from trochil.sandbox.market.faults import Faults, parse_faults
from trochil.sandbox.market.venue import Symbol
from trochil.sandbox.replay import Replay, ReplayError
from trochil.sandbox.server import Server

BALANCES = {
    "BTC": "10",
    "ETH": "100",
    "SOL": "1000",
    "USDT": "1000000",
    "USD": "1000000",
    "USDC": "1000000",
}
CANNOT = 2
"""Exit code for what the user can mend: a port in use, a bad argument."""


def symbol_of(pair: str) -> Symbol:
    base, _, quote = pair.partition("-")
    if not base or not quote:
        raise ValueError(f"{pair!r} is not a trading pair; write BASE-QUOTE, like BTC-USDT")
    dollar = quote in ("USDT", "USDC", "USD")
    tick, least = ("0.01", "5") if dollar else ("0.00001", "0.0001")
    return Symbol(
        base, quote, Decimal(tick), Decimal("0.00001" if dollar else "0.0001"), Decimal(least)
    )


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="trochil sandbox", description="A local venue to trade on."
    )
    parser.add_argument("exchange", nargs="*", default=[dialects.FIRST], help="venue to play")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=50.0, help="flow events a second and pair")
    parser.add_argument(
        "--pairs", nargs="+", help="markets to open; the venue's usual ones by default"
    )
    parser.add_argument(
        "--faults",
        default="",
        help="name=value,... (a chance below 1, a number of times from 1 on)",
    )
    parser.add_argument(
        "--replay", metavar="FILE", help="serve recorded frames instead of a market"
    )
    parser.add_argument("--pair", help="the pair to replay")
    parser.add_argument("--speed", default="max", help="max, or a multiple of the recorded pace")
    parser.add_argument(
        "--drop", default="", metavar="A-B", help="diff frames to withhold, counted from 1"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready")
    return parser.parse_args(argv)


def build(options: argparse.Namespace) -> Server:
    """The server of the arguments. Raises ValueError and ReplayError for what can't be."""
    if len(options.exchange) != 1:
        raise ValueError(f"one venue a process; the sandbox plays {', '.join(dialects.names())}")
    dialect = dialects.load(options.exchange[0])
    faults = Faults(options.seed, parse_faults(options.faults))
    if options.replay:
        if dialect.recordings is None:
            raise ReplayError(f"no recordings of {options.exchange[0]} can be read")
        replay = Replay(
            options.replay, options.pair or "", options.speed, options.drop, dialect.recordings
        )
        server = Server(dialect, {}, seed=options.seed, faults=faults)
        replay.attach(server)
    else:
        symbols = {pair: symbol_of(pair) for pair in options.pairs or dialect.pairs}
        server = Server(dialect, symbols, seed=options.seed, rate=options.rate, faults=faults)
    assets = {
        asset for symbol in server.venue.symbols.values() for asset in (symbol.base, symbol.quote)
    }
    server.new_account("default", {asset: BALANCES.get(asset, "1000") for asset in sorted(assets)})
    return server


def ready(server: Server, admin: Admin, name: str, port: int) -> dict[str, Any]:
    """What whoever started the sandbox needs to know."""
    accounts = {account.name: account.keys for account in server.venue.accounts.values()}
    accounts.pop(server.liquidity_provider.name)
    here = f"127.0.0.1:{port}"
    hosts = {"rest": f"http://{here}", "public": f"ws://{here}", "private": f"ws://{here}"}
    return {
        "exchange": {name: hosts},
        "admin": f"http://{here}/_sandbox",
        "admin_token": admin.token,
        "accounts": accounts,
        "pairs": list(server.venue.symbols),
    }


async def serve(options: argparse.Namespace) -> None:
    server = build(options)
    admin = Admin(server)
    app = server.application()
    admin.add_routes(app)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", options.port)
    await site.start()
    assert runner.addresses
    address = ready(server, admin, options.exchange[0], runner.addresses[0][1])
    print(json.dumps(address) if options.json else explain(address), flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()


def explain(address: dict[str, Any]) -> str:
    lines = [
        f"{name}: {hosts['rest']} and {hosts['public']}"
        for name, hosts in address["exchange"].items()
    ]
    accounts = [
        f"account {name}: " + ", ".join(f"{field} {value}" for field, value in keys.items())
        for name, keys in address["accounts"].items()
    ]
    return "\n".join([*lines, *accounts, f"pairs: {', '.join(address['pairs'])}", "Ctrl-C ends it"])


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    try:
        asyncio.run(serve(options))
    except (ValueError, ReplayError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return CANNOT
    except OSError as error:
        print(
            f"sandbox: port {options.port} can't be used: {error.strerror}; choose another --port",
            file=sys.stderr,
        )
        return CANNOT
    return 0


if __name__ == "__main__":
    sys.exit(main())
