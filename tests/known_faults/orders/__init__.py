"""Faults of orders: placing, cancelling, the journal, the private stream."""
