"""``python -m trochil.sandbox EXCHANGE...``: local venues in the foreground, or behind
``SandboxProcess``."""

import argparse
import contextlib
import difflib
import errno
import json
import ssl
import sys
import time
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from trochil.sandbox import dialects
from trochil.sandbox.addresses import Listener, listen, listen_for, listen_where_free
from trochil.sandbox.deployment_file import DeploymentFile
from trochil.sandbox.market.faults import Faults, parse_faults
from trochil.sandbox.market.flow import LEVELS
from trochil.sandbox.market.venue import Symbol
from trochil.sandbox.playing import PlayedVenue, play_one, play_several
from trochil.sandbox.private_files import make_private_folder
from trochil.sandbox.replay import Replay, ReplayError
from trochil.sandbox.request_limits import RequestLimits
from trochil.sandbox.server import Server

BALANCES = {
    "BTC": "10",
    "ETH": "100",
    "SOL": "1000",
    "USDT": "1000000",
    "USD": "1000000",
    "USDC": "1000000",
}
ACCOUNT = "default"
CANNOT = 2
"""Exit code for what the user can mend: a port in use, a bad argument."""
INTERRUPTED = 130
ALL = "all"
RATE = 50.0
"""Flow events a second and pair of a single venue."""
RATE_OF_MANY = 8.0
"""The same of each where several share this machine."""
IDS_SINCE = 1_700_000_000
"""Unix seconds: where ids must never come again, they begin at ten thousand a second since then."""


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
        prog="trochil sandbox", description="Local venues to trade on, each at a port of its own."
    )
    parser.add_argument(
        "exchange",
        nargs="*",
        help=f"venues to play, or {ALL}; {dialects.FIRST} where none is named",
    )
    parser.add_argument(
        "--port",
        type=int,
        help="of the first venue, the next ones follow; 0: free ones, as without --write",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (127.0.0.1); 0.0.0.0: every network of this machine",
    )
    parser.add_argument("--tls", action="store_true", help="serve https and wss, by a test CA")
    parser.add_argument(
        "--tls-name",
        action="append",
        default=[],
        metavar="NAME",
        help="one more name in the server's certificate; may be repeated",
    )
    parser.add_argument(
        "--write",
        metavar="FILE",
        help="write a deployment for `trochil up -f FILE`, and its keys beside it; "
        "ports and keys are the same at every start",
    )
    parser.add_argument(
        "--state-dir", default="~/.trochil", metavar="DIR", help="where the test CA is kept"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--rate",
        type=float,
        help=f"flow events a second and pair; {RATE:g}, of several venues {RATE_OF_MANY:g} each",
    )
    parser.add_argument(
        "--levels",
        type=int,
        default=LEVELS,
        help=f"levels a side that are kept up in every book ({LEVELS})",
    )
    parser.add_argument(
        "--trend",
        type=float,
        default=0.0,
        help="levels a second by which every price moves; negative: down",
    )
    parser.add_argument(
        "--pairs",
        nargs="+",
        action="extend",
        help="markets to open; each venue's usual ones by default",
    )
    parser.add_argument(
        "--faults",
        default="",
        help="name=value,... (a chance below 1, a number of times from 1 on)",
    )
    parser.add_argument(
        "--limits",
        default="none",
        choices=("none", "documented"),
        help="documented: refuse what the venue's limits on requests and sockets don't allow",
    )
    parser.add_argument(
        "--replay", metavar="FILE", help="serve recorded frames instead of a market"
    )
    parser.add_argument("--pair", help="the pair to replay")
    parser.add_argument("--speed", default="max", help="max, or a multiple of the recorded pace")
    parser.add_argument(
        "--drop", default="", metavar="A-B", help="diff frames to withhold, counted from 1"
    )
    parser.add_argument(
        "--guide",
        default="none",
        choices=("none", "admin"),
        help="admin: a replay goes on step by step, as it is told at the admin door",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready")
    return parser.parse_args(argv)


def known_venues() -> list[str]:
    """Ours, and those that other packages bring."""
    brought = {point.name for point in entry_points(group=dialects.GROUP)}
    return sorted({*dialects.names(), *brought})


def venues_of(asked: Sequence[str]) -> list[str]:
    """The venues to play. Raises ValueError for an unknown one, and one that is named twice."""
    known = known_venues()
    if ALL in asked:
        return known
    names = list(asked) or [dialects.FIRST]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? It" if close else "it"
            raise ValueError(f"the sandbox can't play {name!r}; {hint} plays {', '.join(known)}")
        if names.count(name) > 1:
            raise ValueError(f"{name} is named twice; a venue is played once")
    return names


def build(name: str, options: argparse.Namespace, keys: dict[str, str] | None = None) -> Server:
    """A venue of the arguments. ``keys``: those of its account; None: new ones.

    Raises ValueError and ReplayError for what can't be."""
    dialect = dialects.load(name)
    faults = Faults(options.seed, parse_faults(options.faults))
    if options.replay:
        if dialect.recordings is None:
            raise ReplayError(
                f"no recordings of {name} can be read, "
                f"only those of {', '.join(dialects.with_recordings())}"
            )
        replay = Replay(
            options.replay,
            options.pair or "",
            options.speed,
            options.drop,
            dialect,
            guided=options.guide == "admin",
        )
        server = Server(dialect, {}, seed=options.seed, faults=faults)
        replay.attach(server)
    else:
        symbols = {pair: symbol_of(pair) for pair in options.pairs or dialect.pairs}
        limits = None
        if options.limits == "documented":
            if dialect.documented_limits is None:
                raise ValueError(f"the sandbox can't count the limits of {name}")
            limits = RequestLimits(dialect.documented_limits)
        server = Server(
            dialect,
            symbols,
            seed=options.seed,
            rate=options.rate,
            levels=options.levels,
            trend=options.trend,
            faults=faults,
            limits=limits,
        )
    assets = {
        asset for symbol in server.venue.symbols.values() for asset in (symbol.base, symbol.quote)
    }
    server.new_account(
        ACCOUNT, {asset: BALANCES.get(asset, "1000") for asset in sorted(assets)}, keys
    )
    return server


@dataclass(frozen=True, slots=True)
class Tls:
    """What the venues prove who they are with, and the file by which clients believe it."""

    context: ssl.SSLContext
    ca_file: Path
    ca_is_new: bool


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Venues that are ready to be served."""

    venues: list[PlayedVenue]
    file: DeploymentFile | None
    tls: Tls | None


def prepare(options: argparse.Namespace) -> Sandbox:
    """Everything that can fail, before anything is served. Raises ValueError and ReplayError."""
    names = venues_of(options.exchange)
    if options.replay and len(names) > 1:
        raise ValueError("a recording is of one venue; name one")
    if options.tls_name and not options.tls:
        raise ValueError("--tls-name goes with --tls")
    if options.rate is None:
        options.rate = RATE if len(names) == 1 else RATE_OF_MANY
    with contextlib.ExitStack() as undo:
        file = DeploymentFile(options.write) if options.write else None
        if file is not None:
            undo.callback(file.release)
            file.take()
        servers = {name: _build_with_kept_keys(name, options, file) for name in names}
        listeners = _listeners(names, options, file, undo)
        state_dir = Path(options.state_dir).expanduser().resolve() / "sandbox"
        tls = _tls(options, listeners, state_dir) if options.tls else None
        context = None if tls is None else tls.context
        venues = [PlayedVenue(name, servers[name], listeners[name], context) for name in names]
        if file is not None:
            make_private_folder(state_dir)
            file.write({venue.name: _settings(venue, tls) for venue in venues}, state_dir)
        undo.pop_all()
        return Sandbox(venues, file, tls)


def _tls(options: argparse.Namespace, listeners: dict[str, Listener], state_dir: Path) -> Tls:
    from trochil.sandbox.certificates import load_authority, server_context

    authority = load_authority(state_dir)
    hosts = [name for listener in listeners.values() for name in listener.names]
    context = server_context(authority, [*hosts, *options.tls_name])
    return Tls(context, authority.file, authority.is_new)


def _settings(venue: PlayedVenue, tls: Tls | None) -> dict[str, Any]:
    """As in a deployment's file."""
    found = {"hosts": venue.hosts, "pairs": list(venue.server.venue.symbols)}
    return found if tls is None else found | {"ca_file": str(tls.ca_file)}


def _build_with_kept_keys(
    name: str, options: argparse.Namespace, file: DeploymentFile | None
) -> Server:
    """With a file, a journal outlives this process: ids must not come again."""
    kept = None if file is None else file.keys.get(name)
    try:
        server = build(name, options, kept)
        if file is not None:
            if kept is not None:
                _check_keys(server, kept, file.keys_path)
            file.keys[name] = server.venue.accounts[ACCOUNT].keys
            server.venue.number_from((int(time.time()) - IDS_SINCE) * 10_000)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return server


def _check_keys(server: Server, keys: dict[str, str], path: Path) -> None:
    """Raises ValueError for keys that this venue could not have made."""
    wanted = server.dialect.new_keys(ACCOUNT)
    missing = [field for field in wanted if not isinstance(keys.get(field), str) or not keys[field]]
    if missing:
        raise ValueError(
            f"its keys in {path} lack {', '.join(missing)}: delete the table, new ones are made"
        )
    if getattr(server.dialect, "secrets_are_base64", False):
        try:
            b64decode(keys["api_secret"], validate=True)
        except ValueError:
            raise ValueError(
                f"its api_secret in {path} is not base64: delete the table, new keys are made"
            ) from None


def _listeners(
    names: list[str],
    options: argparse.Namespace,
    file: DeploymentFile | None,
    undo: contextlib.ExitStack,
) -> dict[str, Listener]:
    """By --port, else of the file, else free ones. Raises ValueError."""
    found: dict[str, Listener] = {}
    for place, name in enumerate(names):
        if options.port is not None:
            port = options.port + place if options.port else 0
            found[name] = listen_for(name, options.host, port)
        elif file is None:
            found[name] = listen_for(name, options.host, 0)
        elif name in file.ports:
            found[name] = _listen_again(name, options.host, file)
        else:
            found[name] = listen_where_free(name, options.host, file.ports.values())
        undo.callback(found[name].socket.close)
    return found


def _listen_again(name: str, host: str, file: DeploymentFile) -> Listener:
    """At the port that a deployment may be using already. Raises ValueError."""
    port = file.ports[name]
    try:
        return listen(host, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return listen_for(name, host, port)
        raise ValueError(
            f"{name}: port {port}, which {file.path} names, is in use: end what uses it, "
            "or choose another --port for the file"
        ) from None


def as_json(sandbox: Sandbox) -> str:
    """What whoever started the sandbox needs to know, in one line."""
    return json.dumps(
        {
            "venues": {venue.name: venue.description() for venue in sandbox.venues},
            "ca_file": None if sandbox.tls is None else str(sandbox.tls.ca_file),
        }
    )


def explain(sandbox: Sandbox) -> str:
    """The same for a person; keys that are in a file are not shown."""
    lines = []
    for venue in sandbox.venues:
        found = venue.description()
        lines.append(f"{venue.name}: {found['hosts']['rest']} and {found['hosts']['public']}")
        if sandbox.file is None:
            lines += [
                f"  account {name}: " + ", ".join(f"{key} {value}" for key, value in keys.items())
                for name, keys in found["accounts"].items()
            ]
        lines.append(f"  pairs: {', '.join(found['pairs'])}")
        lines.append(f"  admin: {found['admin']} (X-Sandbox-Token: {found['admin_token']})")
    if any(venue.listener.is_open for venue in sandbox.venues):
        lines.append(
            "open to other machines: whoever reaches this one can trade here; "
            "the admin door answers on this machine only"
        )
    if sandbox.tls is not None:
        lines.append(
            f"test CA: {sandbox.tls.ca_file}{', made just now' if sandbox.tls.ca_is_new else ''} "
            "(for clients: SSL_CERT_FILE, REQUESTS_CA_BUNDLE; of ours: the setting ca_file)"
        )
    if sandbox.file is not None:
        lines.append(f"keys: {sandbox.file.keys_path}")
        lines.append(f"deployment {sandbox.file.deployment}: trochil up -f {sandbox.file.path}")
    return "\n".join([*lines, "Ctrl-C ends it"])


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    try:
        sandbox = prepare(options)

        def announce() -> None:
            print(as_json(sandbox) if options.json else explain(sandbox), flush=True)

        if len(sandbox.venues) == 1:
            return play_one(sandbox.venues[0], announce)
        return play_several(sandbox.venues, announce)
    except (ValueError, ReplayError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
