"""A venue's markets, read once and without a deployment."""

import aiohttp
import pandas as pd

from actors.build import hosts_of
from actors.markets import market_table
from actors.rest import Rest
from actors.settings import VenueSettings
from exchanges.registry import get


async def read_markets(venue: str, settings: VenueSettings) -> pd.DataFrame:
    """One row an active pair, largest USD volume first. Raises Disconnected and VenueError."""
    exchange = get(venue)
    async with aiohttp.ClientSession() as session:
        rest = Rest(exchange, session, hosts_of(exchange, settings))
        feed = exchange.book({}, "")
        rules = {rule.symbol: rule for rule in await rest.run(feed.trading_rules())}
        return market_table(rules, await rest.run(exchange.book(rules, "").markets()))
