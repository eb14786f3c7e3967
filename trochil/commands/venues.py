"""The commands to add a venue and to check an adapter."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click


def add_to(group: click.Group) -> None:
    for command in (new_exchange, parse, check):
        group.add_command(command)


@click.command("new-exchange")
@click.argument("name")
@click.option("--package", type=click.Path(), help="Write a package of your own into this folder.")
def new_exchange(name: str, package: str | None) -> None:
    """Write the files of a new venue: a small, working, made-up one to start from."""
    from trochil.commands.new_exchange import new_exchange as write

    for path in write(name, Path(package or "."), package is not None):
        click.echo(path)
    # With ./ before it: pip would ask its index for a package of a plain name.
    place = os.path.join(os.curdir, package or "")
    install = "" if package is None else f"pip install -e '{place}[test]' && "
    click.echo(f"now: {install}pytest --pyargs trochil.conformance -k {name}")


@click.command()
@click.argument("file", type=click.Path())
@click.option("--exchange", required=True)
@click.option("--feed", default="", help="Another book of the venue.")
@click.option("--user", is_flag=True, help="Frames of the private stream.")
@click.option("--rules", type=click.Path(), help="The venue's answer with its markets.")
@click.option("--json", "as_json", is_flag=True, help="Only the counts.")
def parse(
    file: str, exchange: str, feed: str, user: bool, rules: str | None, as_json: bool
) -> None:
    """Show the messages that an adapter parses from recorded frames."""
    from exchanges.registry import get
    from trochil.commands.parsing import count, parse_file, shown

    venue = get(exchange).with_feed(feed)
    counted = Counter[str]()
    for entry in parse_file(Path(file), venue, user=user, rules=Path(rules) if rules else None):
        counted += count(entry)
        if as_json:
            continue
        for line in (
            [f"rejected: {entry.rejected}"] if entry.rejected else map(shown, entry.messages)
        ):
            click.echo(f"{entry.number} {line}")
    click.echo(json.dumps({"frames": 0, "rejected": 0} | counted))


@click.command()
@click.argument("exchange")
@click.option("--live", is_flag=True, help="At the real venue, read-only.")
@click.option("--testnet", is_flag=True, help="At the venue's test hosts, read-only.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="rest|public|private=URL",
    help="Replace one of the venue's addresses.",
)
@click.option("--pair", default="", help="Default: the pair with the largest volume.")
@click.option("--feed", default="", help="Another book of the venue.")
@click.option(
    "--account", default="", metavar="REFERENCE", help="A key: env:NAME or file:PATH#section."
)
@click.option(
    "--trade",
    metavar="AMOUNT",
    help="Place and cancel orders of at most this value, in quote currency.",
)
def check(
    exchange: str,
    live: bool,
    testnet: bool,
    hosts: tuple[str, ...],
    trade: str | None,
    **given: str,
) -> None:
    """Run the conformance cases of an adapter; without --live or --testnet, in its sandbox."""
    from exchanges.rules import parse_pair, to_decimal
    from trochil.commands.check import check_exchange

    given["pair"] = parse_pair(given["pair"]) if given["pair"] else ""
    options: dict[str, Any] = {
        "hosts": dict(host.split("=", 1) for host in hosts if "=" in host),
        **given,
    }
    value = None if trade is None else to_decimal(trade, "--trade")
    failed = 0
    for found in check_exchange(
        exchange, real=live or testnet, testnet=testnet, trade=value, **options
    ):
        if found.verdict == "failed":
            failed += 1
        click.echo(
            f"{found.case:32} {found.verdict:8} {found.seconds:6.1f} s  {found.detail}".rstrip()
        )
    sys.exit(1 if failed else 0)
