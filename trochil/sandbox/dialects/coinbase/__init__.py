"""Coinbase Exchange from the venue's side, in pieces.

* ``dialect``: the class, its routes and sockets.
* ``documented_limits``: what is counted where the sandbox is told to count.
* ``rows``: rows of REST and messages of the feed.
* ``requests``: what clients ask for, read strictly.
* ``rest``: keys, refusals and REST.
"""

from trochil.sandbox.dialects.coinbase.dialect import Dialect

__all__ = ["Dialect"]
