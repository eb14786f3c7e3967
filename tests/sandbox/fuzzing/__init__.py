"""Requests made of a venue's own words, right and wrong ones, against its dialect.

``engine`` makes them, sends them and judges what came back by the ledger. A module a venue has the
words: its endpoints, what values their parameters take and refuse.
"""
