"""The commands that work with a running deployment."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from orderbook.errors import ConfigError

deployment_option = click.option(
    "--deployment", default="default", show_default=True, help="The deployment's name."
)
account_option = click.option("--account", default="default", show_default=True)
json_option = click.option("--json", "as_json", is_flag=True)
ORDER_COLUMNS = {
    "client_order_id": "client_id",
    "trading_pair": "trading_pair",
    "side": "side",
    "amount": "amount",
    "price": "price",
    "state": "state",
    "filled": "filled",
    "status_unknown": "status_unknown",
    "external": "external",
}
"""What is shown of an order, and the attribute that it is."""
venue_option = click.option("--venue", help="Only this venue.")


def add_to(group: click.Group) -> None:
    for command in (
        up,
        down,
        status,
        doctor,
        watch,
        pairs,
        orders,
        fills,
        balances,
        cancel,
        halt,
        resume,
        keys,
        shell,
    ):
        group.add_command(command)


@contextlib.contextmanager
def _joined(deployment: str, config: Any = None) -> Iterator[Any]:
    """A client of a running deployment. Raises ConfigError if it doesn't run."""
    from trochil.client import connect

    settings = config if config is not None else {"deployment": deployment}
    _must_run(deployment)
    with connect(config=settings, address="auto") as client:
        yield client


def _must_run(deployment: str) -> None:
    import ray

    from actors.runtime.ray.calls import namespace_of

    with contextlib.suppress(ValueError):
        _join_ray()
        ray.get_actor("supervisor", namespace=namespace_of(deployment))
        return
    raise ConfigError(
        f"no deployment {deployment!r} runs on this Ray cluster; "
        "start one with `trochil up -f FILE`"
    )


def _join_ray() -> None:
    import logging

    import ray

    from actors.runtime.ray.cluster_address import cluster_address

    if ray.is_initialized():
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    address = cluster_address("auto")
    try:
        ray.init(address=address, configure_logging=False, log_to_driver=False)
    except ConnectionError as error:
        raise ConfigError(f"no Ray cluster answers at {address!r}: {error}") from None


@click.command()
@click.option(
    "-f", "--file", "file", required=True, type=click.Path(), help="The deployment: YAML or TOML."
)
@click.option("--dry-run", is_flag=True, help="Print the actors, start nothing.")
def up(file: str, dry_run: bool) -> None:
    """Start a deployment, or add to it; starts a local Ray head when none runs."""
    from actors.runtime.supervisor import assign, specs_of
    from actors.settings import Settings, load_settings
    from trochil.client import connect

    settings = load_settings(file)
    if dry_run:
        shards = {
            name: assign([], venue.pairs, venue.pairs_per_shard)
            for name, venue in settings.venues.items()
        }
        for name in specs_of(settings, shards):
            click.echo(name)
        return
    # `down` looks in the default folder: it doesn't read the file.
    _ensure_ray(Settings(deployment=settings.deployment).folder)
    with connect(config=file, address="auto") as client:
        click.echo(client.status())


def _ensure_ray(folder: Path) -> None:
    try:
        _join_ray()
    except ConfigError:
        command = [
            str(Path(sys.executable).with_name("ray")),
            "start",
            "--head",
            "--disable-usage-stats",
        ]
        click.echo(f"no Ray runs here: {' '.join(command[1:])}", err=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(f"Ray did not start: {done.stderr.strip()[-300:]}") from None
        (folder / "ray-head").touch()
        _join_ray()


@click.command()
@deployment_option
@click.option(
    "--cancel/--keep-orders",
    default=False,
    help="Cancel open orders first, or leave them (default).",
)
def down(deployment: str, cancel: bool) -> None:
    """Stop a deployment, and the Ray head if `up` started it."""
    from actors.settings import Settings

    with _joined(deployment) as client:
        if cancel:
            client.halt(cancel=True)
        client.shutdown()
    head = Settings(deployment=deployment).folder / "ray-head"
    if head.exists():
        import ray

        ray.shutdown()
        subprocess.run(
            [str(Path(sys.executable).with_name("ray")), "stop"], capture_output=True, check=False
        )
        head.unlink()
    click.echo(f"{deployment} is down")


@click.command()
@deployment_option
@json_option
@click.option("--watch", "again", is_flag=True, help="Refresh every second.")
def status(deployment: str, as_json: bool, again: bool) -> None:
    """Actors and books."""
    import msgspec

    with _joined(deployment) as client:
        while True:
            found = client.status()
            click.echo(json.dumps(msgspec.to_builtins(found)) if as_json else repr(found))
            if not again:
                return
            time.sleep(1)


@click.command()
@click.option(
    "-f",
    "--file",
    "file",
    type=click.Path(),
    help="A deployment's file, to check its keys and venues too.",
)
def doctor(file: str | None) -> None:
    """Check versions, shared memory, keys, shadowed packages and clocks."""
    import ray

    from actors.settings import load_settings
    from trochil.commands.doctor import examine

    settings = load_settings(file)
    versions = []
    with contextlib.suppress(ConfigError):
        _join_ray()
        versions = [ray.__version__]  # Ray itself refuses to join a cluster of another version
    skews = asyncio.run(_skews(settings))
    findings = examine(settings, ray.__version__, versions, skews)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.what}: {finding.detail}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


async def _skews(settings: Any) -> dict[str, float]:
    from actors.runtime.component_factory import rest_of
    from exchanges.registry import get

    found = {}
    for name, venue in settings.venues.items():
        call = get(name).server_time
        if call is not None:
            rest = rest_of(get(name), venue, shared_memory=settings.shared_memory)
            before = time.time()
            try:
                theirs = await rest.run(call)
            finally:
                await rest.close()
            found[name] = (before + time.time()) / 2 - theirs
    return found


@click.command()
@click.argument("venue")
@click.argument("pair", nargs=-1, required=True)
@click.option("--depth", default=8, show_default=True)
@click.option("--best", is_flag=True, help="Only the best bid and ask.")
@deployment_option
def watch(venue: str, pair: tuple[str, ...], depth: int, best: bool, deployment: str) -> None:
    """Live books in the terminal; Ctrl-C ends it."""
    from rich.live import Live

    from trochil.commands.ladder import ladder

    with _joined(deployment) as client, contextlib.suppress(KeyboardInterrupt):
        books = [client.book(venue, name) for name in pair]
        with Live(ladder(books, 1 if best else depth), refresh_per_second=8) as live:
            for _ in client.changes(*books):
                live.update(ladder(books, 1 if best else depth))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, required=True, metavar="[add|remove] VENUE [PAIR]...")
@click.option("--top", default=20, show_default=True)
@deployment_option
def pairs(arguments: tuple[str, ...], top: int, deployment: str) -> None:
    """VENUE: list its pairs by volume. add|remove VENUE PAIR...: change the tracked pairs."""
    if arguments[0] in ("add", "remove"):
        if len(arguments) < 3:
            raise ConfigError(f"write: trochil pairs {arguments[0]} VENUE PAIR...")
        with _joined(deployment) as client:
            change = client.add_pairs if arguments[0] == "add" else client.remove_pairs
            change(arguments[1], *arguments[2:])
        return
    from actors.settings import VenueSettings
    from trochil.commands.markets_once import read_markets

    click.echo(asyncio.run(read_markets(arguments[0], VenueSettings())).head(top).to_string())


def _markets(client: Any, venue: str | None, account: str) -> Iterator[tuple[str, Any]]:
    for name in client.status().actors:
        kind, _, rest = name.partition("/")
        if (
            kind == "market"
            and rest.split("/")[1] == account
            and venue in (None, rest.split("/")[0])
        ):
            yield rest.split("/")[0], client.market(rest.split("/")[0], account=account)


@click.command()
@venue_option
@account_option
@deployment_option
@json_option
@click.option("--all", "everything", is_flag=True, help="Closed orders too.")
def orders(
    venue: str | None, account: str, deployment: str, as_json: bool, everything: bool
) -> None:
    """Open orders; those of unknown status and external ones are marked."""
    with _joined(deployment) as client:
        found = [
            {name: getattr(order, attribute) for name, attribute in ORDER_COLUMNS.items()}
            for _, market in _markets(client, venue, account)
            for order in market.orders(open=not everything)
        ]
    _print_rows(found, tuple(ORDER_COLUMNS), as_json)


@click.command()
@venue_option
@account_option
@deployment_option
@json_option
def fills(venue: str | None, account: str, deployment: str, as_json: bool) -> None:
    """Every fill once, from the journal."""
    with _joined(deployment) as client:
        rows = [
            row
            for _, market in _markets(client, venue, account)
            for row in market.fills().to_pylist()
        ]
    _print_rows(
        rows,
        ("time", "trading_pair", "side", "price", "amount", "fee", "fee_asset", "trade_id"),
        as_json,
    )


@click.command()
@venue_option
@account_option
@deployment_option
@json_option
def balances(venue: str | None, account: str, deployment: str, as_json: bool) -> None:
    """Total, available and held, by asset."""
    with _joined(deployment) as client:
        rows = [
            {
                "venue": name,
                "asset": asset,
                "total": balance.total,
                "available": balance.available,
                "held": balance.held,
            }
            for name, market in _markets(client, venue, account)
            for asset, balance in market.balances().items()
        ]
    _print_rows(rows, ("venue", "asset", "total", "available", "held"), as_json)


def _print_rows(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        click.echo(
            json.dumps(
                [{column: row[column] for column in columns} for row in rows], default=_plain
            )
        )
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*(_plain(row[column]) for column in columns))
    Console(width=160).print(table)


def _plain(value: Any) -> str:
    """Decimals in digits, without an exponent and without zeros at their end."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


@click.command()
@click.argument("order_id", required=False)
@click.option("--all", "everything", is_flag=True)
@venue_option
@account_option
@deployment_option
def cancel(
    order_id: str | None, everything: bool, venue: str | None, account: str, deployment: str
) -> None:
    """Cancel one order by its client id, or --all."""
    if bool(order_id) == everything:
        raise ConfigError("write one order's client id, or --all")
    with _joined(deployment) as client:
        for _, market in _markets(client, venue, account):
            mine = {order.client_id for order in market.orders()}
            for order in (
                market.cancel_all()
                if everything
                else [market.cancel(i) for i in (order_id,) if i in mine]
            ):
                click.echo(repr(order))


@click.command()
@deployment_option
def halt(deployment: str) -> None:
    """Refuse new orders everywhere and cancel the open ones."""
    with _joined(deployment) as client:
        client.halt()
    click.echo("halted: `trochil resume` lets orders through again")


@click.command()
@deployment_option
def resume(deployment: str) -> None:
    """Let orders through again."""
    with _joined(deployment) as client:
        client.resume()
    click.echo("resumed")


@click.group()
def keys() -> None:
    """Keys by reference."""


@keys.command("check")
@click.argument("venue")
@account_option
@deployment_option
def check_key(venue: str, account: str, deployment: str) -> None:
    """Send one signed read-only request, to see whether the venue accepts the key."""
    with _joined(deployment) as client:
        found = client.check_keys(venue, account=account)
    click.echo(f"the venue accepted the key of {venue}/{account}: {len(found)} assets")


@click.command()
@deployment_option
def shell(deployment: str) -> None:
    """A Python console with `client` in it."""
    import code

    with _joined(deployment) as client:
        code.interact(
            banner=f"client: {client!r}; try client.status()", local={"client": client}, exitmsg=""
        )
