"""Faults of books: what is shown as LIVE, who reads it, who serves it."""
