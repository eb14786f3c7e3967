"""Kraken spot from the venue's side, in the pieces that ``dialects.kraken`` is made of.

* ``rows``: names, ids, and rows as REST and the socket write them.
* ``requests``: what clients ask for, read strictly.
* ``orders``: keys, refusals, and what REST and the socket do alike with orders.
* ``rest``: REST v0.
"""
