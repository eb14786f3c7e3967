"""A ban: what the venue refuses for a while, and where it tells the end."""

import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import Literal

from trochil.sandbox.market.reasons import Reason

Told = Literal["header", "date", "words"]
"""Where a refusal tells its end: in the venue's own header (Retry-After in seconds where it has
none), in Retry-After as an HTTP date, or in the words of its body alone."""
TOLD: tuple[Told, ...] = ("header", "date", "words")
REFUSED: tuple[str, ...] = ("rest", "messages", "handshakes")
"""Requests by REST; requests on a socket; new sockets."""


@dataclass(frozen=True, slots=True)
class Ban:
    """``until_s``: unix seconds on this machine's clock."""

    until_s: float = 0.0
    reason: Reason = Reason.BANNED
    told: Told = "header"
    refuses: tuple[str, ...] = ("rest",)

    def left_s(self, kind: str) -> int:
        """Seconds, rounded up, for which requests of a kind are refused; 0: they are not."""
        left = self.until_s - time.time()
        return int(left) + 1 if left > 0 and kind in self.refuses else 0


def http_date(unix_s: float) -> str:
    """ "Sat, 30 Jul 2022 02:00:00 GMT"."""
    return formatdate(unix_s, usegmt=True)
