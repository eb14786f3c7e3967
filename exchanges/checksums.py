"""What venues make checksums of."""

from decimal import Decimal
from itertools import chain, zip_longest
from zlib import crc32

import numpy as np
import numpy.typing as npt

from exchanges.orders import TradingRule

SURE_DIGITS = 15
"""Up to here float64 has every digit of a number, whatever they are."""
EXACT = 2.0**52
"""Up to here float64 has every digit of a number of smallest steps."""


def plain(number: float) -> str:
    """The shortest text of a float64, without exponent and trailing zeros: 30316, 0.00000001."""
    return f"{Decimal(repr(number)).normalize():f}"


def is_exact(number: float) -> bool:
    """Whether the shortest text of a float64 has all digits of the number that it was made of."""
    return len(plain(number).replace(".", "").strip("0")) <= SURE_DIGITS


def crc32_in_turn(bids: npt.NDArray[np.float64], asks: npt.NDArray[np.float64]) -> int:
    """Of price:size:price:size..., bid and ask in turn; where one side is shorter, the other goes
    on. -1 where float64 can't have kept every digit."""
    ranks = zip_longest(bids.tolist(), asks.tolist(), fillvalue=())
    numbers = list(chain.from_iterable(chain.from_iterable(ranks)))
    return crc32(":".join(map(plain, numbers)).encode()) if all(map(is_exact, numbers)) else -1


def digits(*numbers: str) -> str:
    """Of numbers as they were written, without points and leading zeros: 0.05005 gives 5005."""
    return "".join(number.replace(".", "").lstrip("0") for number in numbers)


def fixed_digits(rule: TradingRule, *levels: npt.NDArray[np.float64]) -> str:
    """The same of (price, size) rows that were written with as many digits as the rule's steps;
    empty where float64 can't have kept them all."""
    counts = np.rint(
        np.concatenate(levels) * [10.0 ** places(rule.price_tick), 10.0 ** places(rule.size_step)]
    )
    if counts.max(initial=0.0) > EXACT:
        return ""
    return "".join(map(str, counts.astype(np.int64).ravel().tolist()))


def crc32_of_levels(rule: TradingRule | None, *levels: npt.NDArray[np.float64]) -> int:
    """CRC32 of those digits; -1 where it can't be made."""
    text = "" if rule is None else fixed_digits(rule, *levels)
    return crc32(text.encode()) if text else -1


def crc32_of_orders(*sides: list[list[str]]) -> int:
    """CRC32 of the texts of each level's orders."""
    return crc32("".join(text for side in sides for level in side for text in level).encode())


def places(step: Decimal) -> int:
    """Digits behind the point of a step as it is written: 2 for 0.10."""
    return -int(step.as_tuple().exponent)
