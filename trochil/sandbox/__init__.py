"""A local venue to trade on: a matching engine, accounts, synthetic flow, faults, and one wire
dialect a venue.

An independent reading of the venues' documentation: it shares no code with the adapters.
"""
