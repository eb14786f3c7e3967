"""What a pair's rules make of prices and amounts."""

import difflib
import re
from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from exchanges.order_views import OrderTerms
from exchanges.orders import InFlightOrder, OrderType, TimeInForce, TradingRule
from orderbook.errors import BadPair, InvalidOrder
from orderbook.messages import Side

Number = Decimal | str | int
Word = TypeVar("Word", bound=StrEnum)

_PAIR = re.compile(r"[^\s/-]+[-/][^\s/-]+")


def parse_pair(text: str) -> str:
    """ "BTC/USDT" and "BTC-USDT" both give "BTC-USDT". Raises BadPair."""
    if not isinstance(text, str) or not _PAIR.fullmatch(text):
        raise BadPair(f"{text!r} is not a trading pair; write BASE-QUOTE, like BTC-USDT")
    return text.replace("/", "-").upper()


def unknown_pair(pair: str, venue: str, known: Iterable[str]) -> BadPair:
    """The error that says what was probably meant."""
    close = difflib.get_close_matches(pair, list(known), n=3)
    hint = f"; did you mean {', '.join(close)}?" if close else ""
    return BadPair(f"{venue} has no pair {pair}{hint}")


def to_decimal(value: Number, what: str) -> Decimal:
    """An exact, finite number. Raises TypeError for a float: 0.1 has no exact one; InvalidOrder
    for other words."""
    if isinstance(value, float):
        raise TypeError(
            f'{what} is a float, {value!r}: write it as text or Decimal, exactly, like "{value!r}"'
        )
    if isinstance(value, bool) or not isinstance(value, Decimal | str | int):
        raise TypeError(f"{what} must be a Decimal, str or int, not {type(value).__name__}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise InvalidOrder(f"{what} {value!r} is not a number") from None
    if not number.is_finite():
        raise InvalidOrder(f"{what} {value!r} is not finite")
    return number


def terms_of(
    trading_pair: str,
    side: str,
    amount: Number,
    price: Number | None = None,
    *,
    type: str = "limit",
    tif: str = "GTC",
    post_only: bool = False,
    client_id: str | None = None,
    tag: str = "",
) -> OrderTerms:
    """Terms out of a user's words. Raises BadPair, InvalidOrder; TypeError for floats."""
    return OrderTerms(
        trading_pair=parse_pair(trading_pair),
        side=_word(side, Side, "side"),
        amount=to_decimal(amount, "amount"),
        price=None if price is None else to_decimal(price, "price"),
        type=_word(type, OrderType, "type"),
        tif=_word(tif, TimeInForce, "tif"),
        post_only=post_only,
        client_id=client_id or "",
        tag=tag,
    )


def _word(text: str, words: type[Word], what: str) -> Word:
    """The member that ``text`` names, however it is capitalized. Raises InvalidOrder."""
    for word in words:
        if str(text).casefold() == word.casefold():
            return word
    raise InvalidOrder(f"{what} {text!r} is unknown; it may be {', '.join(words)}")


def quantize(value: Decimal, step: Decimal, rounding: str = ROUND_DOWN) -> Decimal:
    """The next multiple of ``step`` towards zero, or as ``rounding`` says; a step of 0 changes
    nothing."""
    if not step:
        return value
    return (value / step).to_integral_value(rounding) * step


def quantize_price(price: Decimal, rule: TradingRule, rounding: str = ROUND_DOWN) -> Decimal:
    """The next price that the venue takes, towards zero or as ``rounding`` says."""
    if rule.significant_digits and price != price.to_integral_value():
        last_digit = Decimal(1).scaleb(price.adjusted() + 1 - rule.significant_digits)
        price = quantize(price, min(last_digit, Decimal(1)), rounding)
    return quantize(price, rule.price_tick, rounding)


def check_order(order: InFlightOrder, rule: TradingRule) -> None:
    """Raise InvalidOrder, naming the nearest valid value, for what the venue would refuse by its
    rules."""
    pair = order.trading_pair
    if not rule.active:
        raise InvalidOrder(f"{pair} doesn't trade now")
    _on_step(order.amount, rule.size_step, f"{pair}: amount")
    if order.amount < rule.min_size or order.amount <= 0:
        raise InvalidOrder(f"{pair}: amount {order.amount} is below the minimum {rule.min_size}")
    if rule.max_size is not None and order.amount > rule.max_size:
        raise InvalidOrder(f"{pair}: amount {order.amount} is above the maximum {rule.max_size}")
    if order.type is OrderType.MARKET:
        return
    if order.price is None or order.price <= 0:
        raise InvalidOrder(f"{pair}: a limit order needs a price above 0, not {order.price}")
    _on_step(order.price, rule.price_tick, f"{pair}: price")
    near = quantize_price(order.price, rule)
    if near != order.price:
        digits = f"{rule.significant_digits} significant digits"
        raise InvalidOrder(
            f"{pair}: price {order.price} has more than {digits}; the nearest is {near}"
        )
    value = order.price * order.amount
    if value < rule.min_notional:
        raise InvalidOrder(
            f"{pair}: order value {value} is below the minimum notional {rule.min_notional}"
        )


def _on_step(value: Decimal, step: Decimal, what: str) -> None:
    if step and value % step:
        near = quantize(value, step)
        raise InvalidOrder(
            f"{what} {value} is not a multiple of {step}; the nearest are {near} and {near + step}"
        )
