"""Binance spot from the venue's side."""

from trochil.sandbox.dialects.binance.streams import Dialect

__all__ = ["Dialect"]
