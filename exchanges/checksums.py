"""What venues make checksums of."""

from decimal import Decimal
from itertools import chain, zip_longest
from zlib import crc32

import numpy as np
import numpy.typing as npt


def plain(number: float) -> str:
    """The shortest text of a float64, without exponent and trailing zeros: 30316, 0.00000001."""
    return f"{Decimal(repr(number)).normalize():f}"


def crc32_in_turn(bids: npt.NDArray[np.float64], asks: npt.NDArray[np.float64]) -> int:
    """Of price:size:price:size..., bid and ask in turn; where one side is shorter, the other goes on."""
    ranks = zip_longest(bids.tolist(), asks.tolist(), fillvalue=())
    return crc32(":".join(map(plain, chain.from_iterable(chain.from_iterable(ranks)))).encode())
