"""Why the venue refuses a request; a dialect has its venue's status, code and message for each."""

from enum import StrEnum


class Reason(StrEnum):
    """The reasons that the sandbox itself has. A dialect may have others of its own, which are
    plain texts."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    MARKET_CLOSED = "market_closed"
    PRICE_FILTER = "price_filter"
    LOT_SIZE = "lot_size"
    NOTIONAL = "notional"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    WOULD_TAKE = "would_take"
    UNKNOWN_ORDER = "unknown_order"
    """No such order to cancel, or closed already."""
    NO_SUCH_ORDER = "no_such_order"
    """No such order to show."""
    NOT_OPEN = "not_open"
    NO_LOGIN = "no_login"
    NO_KEY = "no_key"
    BAD_KEY = "bad_key"
    BAD_PASSPHRASE = "bad_phrase"
    BAD_SIGNATURE = "bad_signature"
    BAD_TIME = "bad_time"
    MISSING = "missing"
    """The detail names the parameter."""
    ILLEGAL = "illegal"
    """The detail names the parameter, or is its value."""
    NOT_REQUIRED = "not_required"
    """A parameter that doesn't go with the others; the detail names it."""
    UNKNOWN_PARAMETER = "unknown_parameter"
    """The endpoint has no such parameter, or the sandbox does not offer it; the detail names it."""
    DOUBLED_PARAMETER = "doubled_parameter"
    """Sent twice; the detail names it."""
    UNKNOWN_PATH = "unknown_path"
    """Nothing is served there, or not by that HTTP method; the detail is the path."""
    UNKNOWN_METHOD = "unknown_method"
    """What a socket message asks for is not offered; the detail names it."""
    UNKNOWN_TOPIC = "unknown_topic"
    """A stream or channel that is not offered; the detail names it."""
    BAD_CLIENT_ID = "bad_client_id"
    """A client's order id that is too long or has other characters than the venue takes; the
    detail names the parameter."""
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    BANNED = "banned"


FALLBACKS: dict[str, Reason] = {
    Reason.NO_LOGIN: Reason.BAD_KEY,
    Reason.NO_KEY: Reason.BAD_KEY,
    Reason.BAD_PASSPHRASE: Reason.BAD_KEY,
    Reason.NO_SUCH_ORDER: Reason.UNKNOWN_ORDER,
    Reason.NOT_OPEN: Reason.UNKNOWN_ORDER,
    Reason.BAD_TIME: Reason.BAD_SIGNATURE,
    Reason.BANNED: Reason.RATE_LIMITED,
    Reason.TIMEOUT: Reason.UNAVAILABLE,
    Reason.MARKET_CLOSED: Reason.UNKNOWN_SYMBOL,
    Reason.UNKNOWN_PARAMETER: Reason.NOT_REQUIRED,
}
"""The reason that stands for one that a venue has no answer of its own for; for all others, ILLEGAL
does."""
