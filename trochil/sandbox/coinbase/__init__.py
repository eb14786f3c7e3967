"""Coinbase Exchange from the venue's side, in the pieces that ``dialects.coinbase`` is made of.

* ``rows``: rows of REST and messages of the feed.
* ``requests``: what clients ask for, read strictly.
* ``rest``: keys, refusals and REST.
"""
