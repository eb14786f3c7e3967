"""docs/exchanges.md, made of what the exchanges declare: ``python -m trochil.commands.exchanges_page`` prints it."""

from exchanges.contract import Exchange
from exchanges.registry import get, names

HEAD = """# Exchanges

Made by `python -m trochil.commands.exchanges_page` out of what `exchanges/*.py` declare; don't edit it by hand.

"""
FOOT = """
Any other venue that ccxt.pro watches runs as `ccxt:<id>`: slower, and without checks of gaps and checksums (see
[operating.md](operating.md)).
"""
COLUMNS = (
    "venue",
    "name",
    "status",
    "books",
    "gap check",
    "checksum",
    "order types",
    "time in force",
    "amend",
    "batch",
    "dead-man switch",
    "user stream",
)


def page() -> str:
    """The whole page."""
    venues = [get(name) for name in names()]
    table = [COLUMNS, ("---",) * len(COLUMNS), *map(row, venues)]
    lines = [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join([HEAD + "\n".join(lines), "", *map(section, venues), FOOT.lstrip()])


def row(exchange: Exchange) -> tuple[str, ...]:
    about, has = exchange.about, exchange.has
    types = ["limit", *(word.replace("_", "-") for word in ("market", "post_only") if word in has)]
    tifs = ["GTC", *(word.upper() for word in ("ioc", "fok") if word in has)]
    private = (
        "orders, fills, balances"
        if exchange.streams_balances
        else "orders, fills; balances are asked for"
    )
    return (
        about.title,
        f"`{exchange.name}`",
        exchange.closed or "open",
        about.books,
        about.gaps,
        about.checksum,
        ", ".join(types),
        ", ".join(tifs),
        *("yes" if word in has else "no" for word in ("amend", "batch", "dead_man_switch")),
        private,
    )


def section(exchange: Exchange) -> str:
    """What checked our reading, and what nothing did."""
    about = exchange.about
    fields = ", ".join(f"`{field}`" for field in getattr(exchange.auth, "fields", ()))
    lines = [
        f"## {about.title}",
        "",
        f"Checked by: {about.checked}.",
        "",
        f"A key has {fields}.",
        "",
    ]
    if about.unchecked:
        lines += [f"**Checked by no recording and no foreign client:** {about.unchecked}.", ""]
    if exchange.feeds:
        lines += [
            f"Other books, by the setting `feed`: {', '.join(f'`{name}`' for name in exchange.feeds)}.",
            "",
        ]
    lines += [f"* `{case}` does not apply: {why}" for case, why in about.not_applicable.items()]
    return "\n".join([*lines, ""] if about.not_applicable else lines)


if __name__ == "__main__":
    print(page(), end="")
