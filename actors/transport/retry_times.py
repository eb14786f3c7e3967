"""When a venue that refused by a limit listens again, wherever it says so."""

from email.utils import parsedate_to_datetime

from exchanges.contract import Answer, Fault

SHORTEST = 1.0
"""Seconds without requests when the end that was told has passed already."""
TRUSTED_SKEW = 2.0
"""Seconds by which our idea of the venue's time may differ from the date of its answer."""


def retry_seconds(fault: Fault, answer: Answer, reset_header: str, now: float) -> float:
    """Seconds until then, by the latest of all ends that are told; 0: none is.

    ``now``: unix seconds on the venue's clock, as far as it is known. ``reset_header``: a header
    with unix milliseconds. Retry-After is seconds or a date (RFC 9110).
    """
    headers = answer.headers
    after = headers.get("retry-after", "").strip()
    until = headers.get(reset_header, "") if reset_header else ""
    venue_now = _venue_time(headers.get("date", ""), now)
    ends = [
        fault.retry_after,
        fault.retry_at - venue_now if fault.retry_at else 0.0,
        int(until) / 1000 - venue_now if until.isdigit() else 0.0,
        _after(after, venue_now),
    ]
    is_told = [end for end in ends if end]
    return max(SHORTEST, *is_told) if is_told else 0.0


def _after(text: str, now: float) -> float:
    try:
        return float(text)
    except ValueError:
        at = _date(text)
        return at - now if at else 0.0


def _date(text: str) -> float:
    """Unix seconds of a date of HTTP; 0 where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return 0.0


def _venue_time(date: str, now: float) -> float:
    """Our clock may be off, and the venue's not read yet: then the date of its answer counts."""
    said = _date(date) if date else 0.0
    return said if said and abs(said - now) > TRUSTED_SKEW else now
