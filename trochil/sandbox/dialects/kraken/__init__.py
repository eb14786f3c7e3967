"""Kraken spot from the venue's side, in pieces.

* ``dialect``: the class, its routes and sockets.
* ``documented_limits``: what is counted where the sandbox is told to count.
* ``rows``: names, ids, and rows as REST and the socket write them.
* ``requests``: what clients ask for, read strictly.
* ``orders``: keys, refusals, and what REST and the socket do alike with orders.
* ``rest``: REST v0.
"""

from trochil.sandbox.dialects.kraken.dialect import Dialect

__all__ = ["Dialect"]
