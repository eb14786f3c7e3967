"""The journal's tables, and how one that an earlier version wrote becomes one of this version."""

from typing import Any

import msgspec
import sqlalchemy as sa

from orderbook.errors import ConfigError

SCHEMA = 2
"""1: the first. 2: fields of stored orders renamed."""
RENAMED_IN_2 = {
    "unknown": "status_unknown",
    "told": "emitted_events",
    "cancel_asked": "cancel_requested",
}
tables = sa.MetaData()
about = sa.Table(
    "about", tables, sa.Column("key", sa.String(64), primary_key=True), sa.Column("value", sa.Text)
)
epochs = sa.Table(
    "epochs",
    tables,
    sa.Column("scope", sa.String(200), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("journal_id", sa.BigInteger, nullable=False),
)
orders = sa.Table(
    "orders",
    tables,
    sa.Column("scope", sa.String(200), primary_key=True),
    sa.Column("client_order_id", sa.String(80), primary_key=True),
    sa.Column("intent", sa.String(80), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.UniqueConstraint("scope", "intent"),
    sa.Index("open_orders", "scope", "open"),
)
fills = sa.Table(
    "fills",
    tables,
    sa.Column("scope", sa.String(200), primary_key=True),
    sa.Column("symbol", sa.String(80), primary_key=True),
    sa.Column("trade_id", sa.String(120), primary_key=True),
    sa.Column("client_order_id", sa.String(80), nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)
events = sa.Table(
    "events",
    tables,
    sa.Column(
        "number",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("scope", sa.String(200), nullable=False, index=True),
    sa.Column("record", sa.Text, nullable=False),
)


def upgrade(connection: sa.Connection) -> None:
    """Bring what is stored to ``SCHEMA``, within the transaction of ``connection``.

    Raises ConfigError for a schema that this version doesn't know.
    """
    query = sa.select(about.c.value).where(about.c.key == "schema").with_for_update()
    found = connection.scalar(query)
    if found is None:
        connection.execute(about.insert().values(key="schema", value=str(SCHEMA)))
    elif found == "1":
        _upgrade_to_2(connection)
        connection.execute(about.update().where(about.c.key == "schema").values(value=str(SCHEMA)))
    elif found != str(SCHEMA):
        raise ConfigError(
            f"the journal has schema {found}, this version reads schema 1 and {SCHEMA}; "
            "use the version that wrote it"
        )


def _upgrade_to_2(connection: sa.Connection) -> None:
    query = sa.select(orders.c.scope, orders.c.client_order_id, orders.c.record)
    for row in connection.execute(query).all():
        where = sa.and_(
            orders.c.scope == row.scope, orders.c.client_order_id == row.client_order_id
        )
        record = msgspec.json.encode(order_of_schema_1(msgspec.json.decode(row.record))).decode()
        connection.execute(orders.update().where(where).values(record=record))


def order_of_schema_1(record: dict[str, Any]) -> dict[str, Any]:
    """An order's record under the names of today; one that has them already is left as it is."""
    return {RENAMED_IN_2.get(name, name): value for name, value in record.items()}
