"""``trochil``: the command line. A TrochilError is one line on stderr and exit code 2."""

import contextlib
import json
import sys
import threading
from typing import Any, TextIO, cast

import click

import trochil
from exchanges.registry import DEFAULT_VENUE
from orderbook.errors import TrochilError

FAILED = 2


class CommandOutput:
    """stdout for the output of a command; warnings that Ray's threads print go to stderr."""

    def __init__(self, stdout: TextIO, stderr: TextIO) -> None:
        self._stdout = stdout
        self._stderr = stderr

    def _stream(self) -> TextIO:
        return self._stderr if threading.current_thread().name.startswith("ray_") else self._stdout

    def write(self, text: str) -> int:
        return self._stream().write(text)

    def flush(self) -> None:
        self._stream().flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stdout, name)


class Group(click.Group):
    """Commands whose errors are printed in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with contextlib.redirect_stdout(cast(TextIO, CommandOutput(sys.stdout, sys.stderr))):
                return super().invoke(ctx)
        except (TrochilError, TypeError) as error:
            click.echo(f"trochil: {type(error).__name__}: {error}", err=True)
            sys.exit(FAILED)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(trochil.__version__, prog_name="trochil")
def main() -> None:
    """Exchange connectors as Ray actors, order books as Arrow files in shared memory."""


@main.command()
@click.option(
    "--exchange", default=DEFAULT_VENUE, show_default=True, help="A venue, or all of them at once."
)
@click.option("--seconds", default=20.0, show_default=True, help="Counted from all books LIVE.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--inline", is_flag=True, help="In this process, without Ray.")
def demo(exchange: str, seconds: float, as_json: bool, inline: bool) -> None:
    """A local venue, all actors, live books, orders; no keys needed."""
    from exchanges.registry import get
    from trochil.commands.demo import ALL, run_demo

    if exchange != ALL:
        get(exchange)
    sys.exit(run_demo(exchange, seconds, as_json, inline))


@main.command()
@click.argument("file")
@click.option("--exchange", required=True)
@click.option("--pair", required=True)
@click.option(
    "--speed", default="max", show_default=True, help="max, or a multiple of the recorded pace."
)
@click.option("--drop", default="", metavar="A-B", help="Diff frames to withhold, counted from 1.")
@click.option("--feed", default="", help="Another book of the venue than its default one.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--inline", is_flag=True, help="In this process, without Ray.")
def replay(
    file: str,
    exchange: str,
    pair: str,
    speed: str,
    drop: str,
    feed: str,
    as_json: bool,
    inline: bool,
) -> None:
    """Serve recorded frames over a real websocket, through the real actors."""
    from exchanges.registry import get
    from exchanges.rules import parse_pair
    from trochil.commands.replay import run_replay

    get(exchange).with_feed(feed)
    found = run_replay(file, exchange, parse_pair(pair), speed, drop, inline, feed)
    click.echo(
        json.dumps(found)
        if as_json
        else "\n".join(f"{name}: {value}" for name, value in found.items())
    )


@main.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Local venues in the foreground: [EXCHANGE...] [--write FILE] [--tls] and more (--help)."""
    from trochil.sandbox.__main__ import main as serve

    sys.exit(serve(list(arguments)))


def _add_the_others() -> None:
    from trochil.commands import deployment as cli_deployment, venues as cli_venues

    cli_deployment.add_to(main)
    cli_venues.add_to(main)


_add_the_others()
