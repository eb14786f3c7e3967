"""HTX spot from the venue's side, in the pieces that ``dialects.htx`` is made of.

* ``rows``: markets, books, trades and orders as REST and the sockets write them.
* ``requests``: what clients ask for, read strictly; the venue's bounds and reasons of its own.
* ``rest``: keys, refusals and REST.
"""
