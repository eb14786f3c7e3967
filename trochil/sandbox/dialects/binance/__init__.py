"""Binance spot from the venue's side, in pieces.

* ``dialect``: the class, its routes and sockets.
* ``documented_limits``: what is counted where the sandbox is told to count.
* ``words``: what the venue calls things, its limits, and how it refuses.
* ``rows``: rows of answers and frames.
* ``reading``: what requests ask for, read strictly, and what they weigh.
* ``limits``: what was used of the venue's limits.
* ``market_data``: answers to anybody.
* ``market_streams``: raw and combined streams.
"""

from trochil.sandbox.dialects.binance.dialect import Dialect

__all__ = ["Dialect"]
