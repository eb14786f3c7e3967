"""What a venue answers when it refuses: a status, a code and a message for each reason."""

from collections.abc import Mapping
from dataclasses import dataclass

from trochil.sandbox.market.reasons import FALLBACKS, Reason

MESSAGES: dict[str, str] = {
    Reason.UNKNOWN_SYMBOL: "Unknown symbol",
    Reason.MARKET_CLOSED: "Trading is suspended for this symbol",
    Reason.PRICE_FILTER: "The price does not fit the price step",
    Reason.LOT_SIZE: "The quantity does not fit the quantity step",
    Reason.NOTIONAL: "The order's value is below the minimum",
    Reason.INSUFFICIENT_BALANCE: "Insufficient balance",
    Reason.DUPLICATE_CLIENT_ID: "Duplicate client order id",
    Reason.WOULD_TAKE: "A post-only order would take",
    Reason.UNKNOWN_ORDER: "Order does not exist.",
    Reason.NO_SUCH_ORDER: "Order does not exist.",
    Reason.NOT_OPEN: "Order is closed already",
    Reason.NO_LOGIN: "Not logged in",
    Reason.NO_KEY: "No API key",
    Reason.BAD_KEY: "Invalid API key",
    Reason.BAD_PASSPHRASE: "Invalid passphrase",
    Reason.BAD_SIGNATURE: "Invalid signature",
    Reason.BAD_TIME: "Invalid timestamp",
    Reason.MISSING: "Missing parameter: {}",
    Reason.ILLEGAL: "Illegal parameter: {}",
    Reason.NOT_REQUIRED: "Parameter not required: {}",
    Reason.UNKNOWN_PARAMETER: "Unknown parameter: {}",
    Reason.DOUBLED_PARAMETER: "Parameter sent twice: {}",
    Reason.UNKNOWN_PATH: "Not found: {}",
    Reason.UNKNOWN_METHOD: "Unknown method: {}",
    Reason.UNKNOWN_TOPIC: "Unknown channel: {}",
    Reason.BAD_CLIENT_ID: "Illegal client order id: {}",
    Reason.UNAVAILABLE: "Service unavailable",
    Reason.TIMEOUT: "Timeout, the outcome is not known",
    Reason.RATE_LIMITED: "Too many requests",
    Reason.BANNED: "Too many requests: banned",
}
"""The message where a venue's code says all; {} stands for the detail."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """HTTP status, the venue's code and its message. ``{}`` in the message stands for the detail
    (``str.format``); without a message it is the one of ``MESSAGES``."""

    status: int
    code: int | str = ""
    message: str = ""

    def text(self, reason: str, detail: str = "") -> str:
        """The message with its detail."""
        return (self.message or MESSAGES[reason]).format(detail)


def find_refusal(refusals: Mapping[str, Refusal], reason: str) -> tuple[str, Refusal]:
    """The venue's answer for a reason, or for the one that stands for it, and which one that
    was."""
    for known in (reason, FALLBACKS.get(reason)):
        if known is not None and known in refusals:
            return known, refusals[known]
    return Reason.ILLEGAL, refusals[Reason.ILLEGAL]
