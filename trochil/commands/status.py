"""The status of a deployment, as records and as tables."""

import io
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table


class Status(msgspec.Struct, frozen=True):
    """The status of a deployment.

    ``actors``: name -> {pid, restarts, state, error, status}; ``books``: "venue pair" -> counters.
    """

    actors: dict[str, dict[str, Any]]
    books: dict[str, dict[str, Any]]
    halted: bool = False

    @classmethod
    def of(cls, found: dict[str, Any]) -> "Status":
        books = {
            f"{name.split('/')[1]} {pair}": book
            for name, actor in found["actors"].items()
            for pair, book in actor["status"].get("books", {}).items()
        }
        return cls(found["actors"], books, found["halted"])

    def tables(self) -> list[Table]:
        actors = Table(
            "actor", "pid", "restarts", "state", "error", title="halted" if self.halted else None
        )
        for name, actor in self.actors.items():
            actors.add_row(
                name, str(actor["pid"]), str(actor["restarts"]), actor["state"], actor["error"]
            )
        columns = ("state", "epoch", "update_id", "applied", "gaps", "resyncs", "rejected")
        books = Table("book", *columns)
        for name, book in self.books.items():
            marks = [mark for mark in ("unchecked", "thin") if book[mark]]
            shown = book | {"state": " ".join([book["state"], *marks])}
            books.add_row(name, *(str(shown[column]) for column in columns))
        return [actors, books]

    def __repr__(self) -> str:
        console = Console(width=120, record=True, file=io.StringIO())
        for table in self.tables():
            console.print(table)
        return console.export_text()
