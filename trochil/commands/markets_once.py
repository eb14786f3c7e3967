"""Reads a venue's markets once, without a deployment."""

import pandas as pd

from actors.books.market_table import market_table
from actors.runtime.component_factory import rest_of
from actors.settings import VenueSettings
from exchanges.registry import get


async def read_markets(venue: str, settings: VenueSettings) -> pd.DataFrame:
    """One row per active pair, largest USD volume first. Raises Disconnected and VenueError."""
    exchange = get(venue)
    rest = rest_of(exchange, settings)
    try:
        feed = exchange.book({}, "")
        rules = {rule.symbol: rule for rule in await rest.run(feed.trading_rules())}
        return market_table(rules, await rest.run(exchange.book(rules, "").markets()))
    finally:
        await rest.close()
