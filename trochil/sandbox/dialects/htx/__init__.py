"""HTX spot from the venue's side, in pieces.

* ``dialect``: the class, its routes and sockets.
* ``documented_limits``: what is counted where the sandbox is told to count.
* ``rows``: markets, books, trades and orders as REST and the sockets write them.
* ``requests``: what clients ask for, read strictly; the venue's bounds and reasons of its own.
* ``rest``: keys, refusals and REST.
"""

from trochil.sandbox.dialects.htx.dialect import Dialect

__all__ = ["Dialect"]
