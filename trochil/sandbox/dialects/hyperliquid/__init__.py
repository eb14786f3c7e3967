"""Hyperliquid as the sandbox plays it."""

from trochil.sandbox.dialects.hyperliquid.perps import Dialect

__all__ = ["Dialect"]
