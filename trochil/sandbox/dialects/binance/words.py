"""The venue's words: what it calls things, its limits, and how it refuses."""

from decimal import Decimal
from enum import StrEnum

from trochil.sandbox.candles import named_interval
from trochil.sandbox.dialect import (
    Side,
    TimeInForce,
)
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.refusals import Refusal

STATUS = {
    "new": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "cancelled": "CANCELED",
    "expired": "EXPIRED",
}
EXECUTION_TYPE = {"new": "NEW", "trade": "TRADE", "cancelled": "CANCELED", "expired": "EXPIRED"}
ORDER_TYPE = {"limit": "LIMIT", "market": "MARKET", "post_only": "LIMIT_MAKER"}
SIDE = {"buy": "BUY", "sell": "SELL"}
SIDE_OF: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}
TIME_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK"}
ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")
STOP_TYPES = {
    "STOP_LOSS": "Stop loss",
    "STOP_LOSS_LIMIT": "Stop loss limit",
    "TAKE_PROFIT": "Take profit",
    "TAKE_PROFIT_LIMIT": "Take profit limit",
}
RESPONSE_TYPES = ("ACK", "RESULT", "FULL")
ORDER_REJECTED = -2010
DIGITS = 8
"""Behind the point, of every price and amount."""
LEAST = Decimal("0.00000001")
MAX_PRICE = Decimal(1_000_000)
MAX_NOTIONAL = Decimal(9_000_000_000)
DAY_MS = 86_400_000
MOST_RECV_WINDOW_MS = 60_000
MINUTE_NS = 60_000_000_000
MOST_WEIGHT = 6000
"""Of a minute."""
MOST_REQUESTS = 300_000
"""Of five minutes; their weight is bound to be too much before."""
MOST_ORDERS = {"10S": 50, "1D": 160_000}
"""That may be unfilled of those placed since the window began."""
WINDOW_S = {"10S": 10, "1D": 86_400}
MOST_STREAMS = 1024
"""Of a connection."""
PARTIAL_DEPTHS = (5, 10, 20)
INTERVALS = {
    name: named_interval(name)
    for name in (
        *("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h"),
        *("1d", "3d", "1w", "1M"),
    )
}
"""Of candles, by name."""
RECENT_ROWS = 500
MOST_ROWS = 1000
SIGNING = ("signature", "timestamp", "recvWindow")
CLIENT_ID_RANGE = "^[a-zA-Z0-9-_]{1,36}$"
SYMBOL_RANGE = "^[A-Z0-9-_.]{1,20}$"
INTEGER_RANGE = "^[0-9]{1,20}$"
DECIMAL_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
SYMBOLS_RANGE = r'^\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\]$'
RANGES = {
    "symbol": SYMBOL_RANGE,
    "symbols": SYMBOLS_RANGE,
    "quantity": DECIMAL_RANGE,
    "quoteOrderQty": DECIMAL_RANGE,
    "price": DECIMAL_RANGE,
    "recvWindow": DECIMAL_RANGE,
    "omitZeroBalances": "^(true|false)$",
    "computeCommissionRates": "^(true|false)$",
    "showPermissionSets": "^(true|false)$",
    "returnRateLimits": "^(true|false)$",
}
"""Which characters a parameter may have, where they are not those of integers."""


class Wrong(StrEnum):
    """The venue's own reasons to refuse."""

    NO_ROOM_FOR_ORDERS = "no_room_for_orders"
    TOO_MANY_PARAMETERS = "too_many_parameters"
    UNREAD_PARAMETERS = "unread_parameters"
    EMPTY = "empty"
    INVALID = "invalid"
    ONE_OF = "one_of"
    COMBINATION = "combination"
    PRECISION = "precision"
    QUANTITY = "quantity"
    PRICE = "price"
    SIDE = "side"
    ORDER_TYPE = "order_type"
    NO_SUCH_TYPE_HERE = "no_such_type_here"
    TIME_IN_FORCE = "time_in_force"
    AHEAD = "ahead"
    RECV_WINDOW = "recv_window"
    TOO_LONG = "too_long"
    INTERVAL = "interval"
    SYMBOL_TWICE = "symbol_twice"
    SYMBOL_STATUS = "symbol_status"
    TICKER_TYPE = "ticker_type"
    TIME_UNIT = "time_unit"
    CANCEL_RESTRICTIONS = "cancel_restrictions"
    CANCEL_RESTRICTED = "cancel_restricted"
    OTHER_CLIENT_ID = "other_client_id"
    NOT_JSON = "not_json"
    KEY_TYPE = "key_type"
    SUBSCRIBED = "subscribed"
    NOT_SUBSCRIBED = "not_subscribed"
    STREAM_REQUEST = "stream_request"
    STREAM_JSON = "stream_json"
    UNKNOWN_PROPERTY = "unknown_property"
    PROPERTY_VALUE = "property_value"


REFUSALS: dict[str, Refusal] = {
    Reason.UNKNOWN_SYMBOL: Refusal(400, -1121, "Invalid symbol."),
    Reason.PRICE_FILTER: Refusal(400, -1013, "Filter failure: PRICE_FILTER"),
    Reason.LOT_SIZE: Refusal(400, -1013, "Filter failure: LOT_SIZE"),
    Reason.NOTIONAL: Refusal(400, -1013, "Filter failure: NOTIONAL"),
    Reason.MARKET_CLOSED: Refusal(400, ORDER_REJECTED, "Market is closed."),
    Reason.WOULD_TAKE: Refusal(400, ORDER_REJECTED, "Order would immediately match and take."),
    Reason.INSUFFICIENT_BALANCE: Refusal(
        400, ORDER_REJECTED, "Account has insufficient balance for requested action."
    ),
    Reason.DUPLICATE_CLIENT_ID: Refusal(400, ORDER_REJECTED, "Duplicate order sent."),
    Reason.UNKNOWN_ORDER: Refusal(400, -2011, "Unknown order sent."),
    Reason.NO_SUCH_ORDER: Refusal(400, -2013, "Order does not exist."),
    Reason.BAD_SIGNATURE: Refusal(400, -1022, "Signature for this request is not valid."),
    Reason.BAD_TIME: Refusal(
        400, -1021, "Timestamp for this request is outside of the recvWindow."
    ),
    Reason.MISSING: Refusal(
        400, -1102, "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
    ),
    Reason.ILLEGAL: Refusal(400, -1100, "Illegal characters found in parameter {}."),
    Reason.BAD_CLIENT_ID: Refusal(400, -1100, "Illegal characters found in parameter {}."),
    Reason.NOT_REQUIRED: Refusal(400, -1106, "Parameter '{}' sent when not required."),
    Reason.DOUBLED_PARAMETER: Refusal(400, -1101, "Duplicate values for a parameter detected."),
    Reason.BAD_KEY: Refusal(401, -2015, "Invalid API-key, IP, or permissions for action."),
    Reason.NO_KEY: Refusal(401, -2014, "API-key format invalid."),
    Reason.UNAVAILABLE: Refusal(
        503, -1000, "An unknown error occurred while processing the request."
    ),
    Reason.TIMEOUT: Refusal(
        503,
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status"
        " unknown.",
    ),
    Reason.RATE_LIMITED: Refusal(
        429,
        -1003,
        "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. Please"
        " use WebSocket Streams for live updates to avoid polling the API.",
    ),
    Reason.BANNED: Refusal(
        418,
        -1003,
        "Way too much request weight used; IP banned until {}. Please use WebSocket Streams for"
        " live updates to avoid bans.",
    ),
    Reason.UNKNOWN_PATH: Refusal(404, -1000, "Not Found"),
    Reason.UNKNOWN_METHOD: Refusal(400, -5000, "Method {} is invalid"),
    Reason.UNKNOWN_TOPIC: Refusal(400, 2, "Invalid request: invalid stream"),
    Wrong.NO_ROOM_FOR_ORDERS: Refusal(429, -1015, "Too many new orders; current limit is {}."),
    Wrong.TOO_MANY_PARAMETERS: Refusal(400, -1101, "Too many parameters; {}."),
    Wrong.UNREAD_PARAMETERS: Refusal(400, -1104, "Not all sent parameters were read; {}."),
    Wrong.EMPTY: Refusal(400, -1105, "Parameter '{}' was empty."),
    Wrong.INVALID: Refusal(400, -1130, "Data sent for parameter '{}' is not valid."),
    Wrong.ONE_OF: Refusal(400, -1102, "Param {} must be sent, but both were empty/null!"),
    Wrong.COMBINATION: Refusal(400, -1128, "Combination of optional parameters invalid."),
    Wrong.PRECISION: Refusal(400, -1111, "Parameter '{}' has too much precision."),
    Wrong.QUANTITY: Refusal(400, -1013, "Invalid quantity."),
    Wrong.PRICE: Refusal(400, -1013, "Invalid price."),
    Wrong.SIDE: Refusal(400, -1117, "Invalid side."),
    Wrong.ORDER_TYPE: Refusal(400, -1116, "Invalid orderType."),
    Wrong.NO_SUCH_TYPE_HERE: Refusal(
        400, ORDER_REJECTED, "{} orders are not supported for this symbol."
    ),
    Wrong.TIME_IN_FORCE: Refusal(400, -1115, "Invalid timeInForce."),
    Wrong.AHEAD: Refusal(
        400, -1021, "Timestamp for this request was 1000ms ahead of the server's time."
    ),
    Wrong.RECV_WINDOW: Refusal(400, -1131, "recvWindow must be less than 60000."),
    Wrong.TOO_LONG: Refusal(400, -1127, "More than 24 hours between startTime and endTime."),
    Wrong.INTERVAL: Refusal(400, -1120, "Invalid interval."),
    Wrong.SYMBOL_TWICE: Refusal(400, -1151, "Symbol is present multiple times in the list."),
    Wrong.SYMBOL_STATUS: Refusal(400, -1122, "Invalid symbolStatus."),
    Wrong.TICKER_TYPE: Refusal(400, -1139, "Invalid ticker type."),
    Wrong.TIME_UNIT: Refusal(
        400, -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
    ),
    Wrong.CANCEL_RESTRICTIONS: Refusal(400, -1145, "Invalid cancelRestrictions"),
    Wrong.CANCEL_RESTRICTED: Refusal(
        400, -2011, "Order was not canceled due to cancel restrictions."
    ),
    Wrong.OTHER_CLIENT_ID: Refusal(400, -2039, "Client order ID is not correct for this order ID."),
    Wrong.NOT_JSON: Refusal(400, -1135, "{}"),
    Wrong.KEY_TYPE: Refusal(400, -4056, "HMAC_SHA256 API key is not supported."),
    Wrong.SUBSCRIBED: Refusal(400, -2035, "User Data Stream subscription is already active."),
    Wrong.NOT_SUBSCRIBED: Refusal(400, -2036, "User Data Stream subscription is not active."),
    Wrong.STREAM_REQUEST: Refusal(400, 2, "Invalid request: {}"),
    Wrong.STREAM_JSON: Refusal(400, 3, "Invalid JSON: expected value at line 1 column 1"),
    Wrong.UNKNOWN_PROPERTY: Refusal(400, 0, "Unknown property"),
    Wrong.PROPERTY_VALUE: Refusal(400, 1, "Invalid value type: expected Boolean"),
}
