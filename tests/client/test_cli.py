"""The command line's streams: stdout is for what a command says."""

import sys
import threading

import click
from click.testing import CliRunner

from trochil.commands.main import Group


def test_what_ray_prints_is_not_part_of_the_answer() -> None:
    @click.group(cls=Group)
    def group() -> None: ...

    @group.command()
    def verb() -> None:
        for name, text in (
            ("ray_listen_error_messages", "(raylet) WARNING: busy"),
            ("live", '{"answer": 1}'),
        ):
            thread = threading.Thread(
                target=lambda text=text: print(text, file=sys.stdout, flush=True), name=name
            )
            thread.start()
            thread.join()
        click.echo('{"answer": 2}')
        assert not sys.stdout.isatty()

    done = CliRunner().invoke(group, ["verb"])
    assert (done.exit_code, done.stdout, done.stderr) == (
        0,
        '{"answer": 1}\n{"answer": 2}\n',
        "(raylet) WARNING: busy\n",
    )
