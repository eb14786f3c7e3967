"""Live books in a terminal."""

from rich.columns import Columns
from rich.table import Table

from orderbook.errors import NotReady
from trochil.views import BookView

ROWS = 6


def ladder(books: list[BookView], depth: int = ROWS) -> Columns:
    """One table per book: asks above, bids below."""
    return Columns([_table(view, depth) for view in books])


def _table(view: BookView, depth: int) -> Table:
    table = Table(
        "price",
        "size",
        title=f"{view.venue} {view.trading_pair}",
        caption=_caption(view),
        min_width=26,
    )
    try:
        book = view.snapshot(depth, stale_ok=True)
    except NotReady:
        return table
    for price, size in book.asks[::-1].tolist():
        table.add_row(f"[red]{price:.10g}[/red]", f"{size:.8g}")
    table.add_section()
    for price, size in book.bids.tolist():
        table.add_row(f"[green]{price:.10g}[/green]", f"{size:.8g}")
    return table


def _caption(view: BookView) -> str:
    return f"{view.state.name} epoch {view.epoch}, {view.sequence} updates"
