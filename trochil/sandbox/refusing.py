"""How a venue refuses: its reasons, and the words for them."""

import re

PLAIN = {
    "unknown_symbol": "Unknown symbol",
    "market_closed": "Trading is suspended for this symbol",
    "price_filter": "The price does not fit the price step",
    "lot_size": "The quantity does not fit the quantity step",
    "notional": "The order's value is below the minimum",
    "insufficient_balance": "Insufficient balance",
    "duplicate_client_id": "Duplicate client order id",
    "would_take": "A post-only order would take",
    "unknown_order": "Order does not exist.",
    "not_open": "Order is closed already",
    "no_such_order": "Order does not exist.",
    "no_login": "Not logged in",
    "no_key": "No API key",
    "bad_key": "Invalid API key",
    "bad_phrase": "Invalid passphrase",
    "bad_signature": "Invalid signature",
    "bad_time": "Invalid timestamp",
    "missing": "Missing parameter: {}",
    "illegal": "Illegal parameter: {}",
    "not_required": "Parameter not required: {}",
    "unavailable": "Service unavailable",
    "timeout": "Timeout, the outcome is not known",
    "rate_limited": "Too many requests",
    "banned": "Too many requests: banned",
}
"""The reasons that the sandbox itself has ({} is the detail), in words for venues whose code says all."""
INSTEAD = {
    "no_login": "bad_key",
    "no_key": "bad_key",
    "bad_phrase": "bad_key",
    "no_such_order": "unknown_order",
    "not_open": "unknown_order",
    "bad_time": "bad_signature",
    "banned": "rate_limited",
    "timeout": "unavailable",
    "market_closed": "unknown_symbol",
}
"""Reasons that a venue may have no words of its own for, and the reason that stands for them; else "illegal"."""


def refusals(table: str) -> dict[str, tuple[int, str, str]]:
    """``400: reason code message | reason code message``, as a dict: reason -> (status, code, message); a status holds
    until the next. Where the code says all, the message may be left to ``PLAIN``. To cancel an order, unknown_order;
    asked about one, no_such_order. A dialect may have reasons of its own.
    """
    found, status = {}, 0
    for entry in filter(None, map(str.strip, re.split(r"[|\n]", table))):
        if begun := re.match(r"(\d{3}): ", entry):
            status, entry = int(begun[1]), entry[begun.end() :]
        why, code, *message = entry.split(" ", 2)
        found[why] = (status, code, message[0] if message else PLAIN[why])
    return found
