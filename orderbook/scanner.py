"""Price levels in JSON text to float64, bit for bit what Python's ``float`` makes of them.

``scan`` reads arrays by position, ``scan_named`` objects by names. A number that can't be decided
here is left to Python's ``float``: in its place stands where the text has it, as -1 less its index;
``orderbook/level_texts.py`` puts the number there. ``_number`` and ``scan`` are long on purpose:
cut into functions of one thing each, they took 1.4 times as long (``benchmarks/bench_decode.py``).
"""

import numpy as np
from numba import njit

MALFORMED = -1
UNDECIDED = -2
"""A number of more than 53 bits or of a large exponent is among them."""
BID = 1.0
ASK = -1.0
_POWERS = 10.0 ** np.arange(23)
_LARGEST = 1 << 53


@njit(cache=True)
def _number(text, i):  # noqa: C901 - see the top
    """(value, next index, status) of the JSON number at ``i``; a sign or a word is malformed.

    The value is -1 less the number's index where it is left to Python.
    """
    n = len(text)
    mantissa = 0
    exponent = 0
    zeros = 0
    digits = 0
    after_point = False
    undecided = False
    first = i
    while i < n:
        c = text[i]
        if 48 <= c <= 57:
            if c == 48:
                zeros += 1
            else:
                # Zeros count once a digit follows them: trailing ones never fill the mantissa.
                for _ in range(zeros + 1):
                    if mantissa > _LARGEST:
                        undecided = True
                    else:
                        mantissa *= 10
                mantissa += c - 48
                zeros = 0
            digits += 1
            if after_point:
                exponent -= 1
        elif c == 46 and not after_point and digits > 0:
            after_point = True
            if i + 1 >= n or not (48 <= text[i + 1] <= 57):
                return 0.0, i, MALFORMED
        else:
            break
        i += 1
    if digits == 0:
        return 0.0, i, MALFORMED
    if digits > 1 and text[first] == 48 and text[first + 1] != 46:
        return 0.0, i, MALFORMED
    exponent += zeros
    if i < n and (text[i] == 101 or text[i] == 69):
        i += 1
        negative = False
        if i < n and (text[i] == 43 or text[i] == 45):
            negative = text[i] == 45
            i += 1
        power = 0
        seen = False
        while i < n and 48 <= text[i] <= 57:
            power = min(power * 10 + (text[i] - 48), 100000)
            seen = True
            i += 1
        if not seen:
            return 0.0, i, MALFORMED
        exponent += -power if negative else power
    if mantissa == 0 and not undecided:
        return 0.0, i, 0
    if undecided or mantissa > _LARGEST or exponent > 22 or exponent < -22:
        return -1.0 - first, i, 0
    # Both operands are exact, so one rounding gives the correctly rounded result.
    if exponent < 0:
        return mantissa / _POWERS[-exponent], i, 0
    return mantissa * _POWERS[exponent], i, 0


@njit(cache=True)
def _blank(c):
    return c == 32 or c == 10 or c == 13 or c == 9


@njit(cache=True)
def _ends(c):
    """Whether a bare number may end before this character."""
    return c == 44 or c == 93 or c == 125 or _blank(c)


@njit(cache=True)
def _skip_blanks(text, i):
    """The next index at which something stands."""
    while i < len(text) and _blank(text[i]):
        i += 1
    return i


@njit(cache=True)
def _after_string(text, i):
    """The index behind the string that starts at ``i``, a quote; past the end where it has none."""
    n = len(text)
    i += 1
    while i < n and text[i] != 34:
        i += 2 if text[i] == 92 else 1
    return i + 1


@njit(cache=True)
def _after_value(text, i):
    """The index behind the JSON value at ``i``, whatever it is; past the end where it has none."""
    n = len(text)
    depth = 0
    while i < n:
        c = text[i]
        if c == 34:
            i = _after_string(text, i)
        elif c == 91 or c == 123:
            depth += 1
            i += 1
        elif depth > 0 and (c == 93 or c == 125):
            depth -= 1
            i += 1
        elif depth == 0 and _ends(c):
            return i
        else:
            i += 1
        if depth == 0 and i < n and _ends(text[i]):
            return i
    return n + 1


@njit(cache=True)
def _is_named(text, i, name):
    """Whether the string that starts at ``i``, a quote, is ``name``."""
    end = i + 1 + len(name)
    if end >= len(text) or text[end] != 34:
        return False
    k = 0
    while k < len(name) and text[i + 1 + k] == name[k]:
        k += 1
    return k == len(name)


@njit(cache=True)
def _number_or_text(text, i):
    """(value, next index, status) of a number at ``i``, bare or quoted."""
    n = len(text)
    quoted = i < n and text[i] == 34
    value, i, status = _number(text, i + 1 if quoted else i)
    if status == MALFORMED or i >= n:
        return 0.0, i, MALFORMED
    if quoted:
        return (value, i + 1, status) if text[i] == 34 else (0.0, i, MALFORMED)
    return (value, i, status) if _ends(text[i]) else (0.0, i, MALFORMED)


@njit(cache=True)
def scan(text, sided, rows):  # noqa: C901 - see the top
    """Fill ``rows`` (n, 3: side, price, size) from an array of JSON arrays, read by position.

    A row is price and size, numbers or texts of numbers, behind a word for the side where
    ``sided``. Returns how many, or MALFORMED.
    """
    n = len(text)
    i = 0
    count = 0
    depth = 0
    column = 0
    side = BID
    opened = False
    done = False
    while i < n:
        c = text[i]
        if _blank(c):
            i += 1
            continue
        if done:
            return MALFORMED
        if c == 91:  # [
            depth += 1
            if depth == 2:
                column = 0
                side = BID
                opened = not sided
            elif depth > 2 and column < 2:
                return MALFORMED
            i += 1
        elif c == 93:  # ]
            if depth == 2:
                if column < 2 or not opened:
                    return MALFORMED
                count += 1
            elif depth == 0:
                return MALFORMED
            depth -= 1
            done = depth == 0
            i += 1
        elif c == 44:  # ,
            i += 1
        elif c == 34:  # a string: a number, a side, or a column that isn't read
            if depth < 2:
                return MALFORMED
            i += 1
            if i < n and 48 <= text[i] <= 57 and column < 2:
                value, i, status = _number(text, i)
                if status == MALFORMED or i >= n or text[i] != 34:
                    return MALFORMED
                if count >= rows.shape[0]:
                    return MALFORMED
                rows[count, 0] = side
                rows[count, column + 1] = value
                column += 1
            else:
                if sided and column == 0 and i < n and not opened:
                    if text[i] == 98:  # b
                        side = BID
                        opened = True
                    elif text[i] == 115 or text[i] == 97 or text[i] == 111:  # s, a, o
                        side = ASK
                        opened = True
                    else:
                        return MALFORMED
                elif column < 2:
                    return MALFORMED
                while i < n and text[i] != 34:
                    i += 2 if text[i] == 92 else 1
                if i >= n:
                    return MALFORMED
            i += 1
        elif 48 <= c <= 57:
            value, i, status = _number(text, i)
            if status == MALFORMED or depth < 2 or i >= n or not _ends(text[i]):
                return MALFORMED
            if column < 2:
                if count >= rows.shape[0]:
                    return MALFORMED
                rows[count, 0] = side
                rows[count, column + 1] = value
                column += 1
        elif depth >= 2 and column >= 2:
            i += 1  # null, true, a negative number: columns that aren't read
        else:
            return MALFORMED
    if depth != 0 or (n > 0 and not done):
        return MALFORMED
    return count


@njit(cache=True)
def _named_row(text, i, price_name, size_name, rows, count):
    """Read the object at ``i`` into row ``count``: (next index, status).

    Both names must stand in it once; other members may be of any kind.
    """
    n = len(text)
    has_price = False
    has_size = False
    i = _skip_blanks(text, i + 1)
    while i < n and text[i] == 34:
        is_price = _is_named(text, i, price_name)
        is_size = not is_price and _is_named(text, i, size_name)
        i = _skip_blanks(text, _after_string(text, i))
        if i >= n or text[i] != 58:
            return i, MALFORMED
        i = _skip_blanks(text, i + 1)
        if is_price or is_size:
            if (is_price and has_price) or (is_size and has_size):
                return i, MALFORMED
            value, i, status = _number_or_text(text, i)
            if status == MALFORMED:
                return i, MALFORMED
            rows[count, 1 if is_price else 2] = value
            has_price = has_price or is_price
            has_size = has_size or is_size
        else:
            i = _after_value(text, i)
        i = _skip_blanks(text, i)
        if i < n and text[i] == 44:
            i = _skip_blanks(text, i + 1)
        else:
            break
    if i >= n or text[i] != 125 or not has_price or not has_size:
        return i, MALFORMED
    return i + 1, 0


@njit(cache=True)
def scan_named(text, price_name, size_name, rows):
    """Fill ``rows`` (n, 3: side, price, size) from an array of JSON objects, read by these names.

    Returns how many, or MALFORMED. Every row's side is BID.
    """
    n = len(text)
    if n == 0:
        return 0
    count = 0
    i = _skip_blanks(text, 0)
    if i >= n or text[i] != 91:
        return MALFORMED
    i = _skip_blanks(text, i + 1)
    while i < n and text[i] == 123:
        if count >= rows.shape[0]:
            return MALFORMED
        i, status = _named_row(text, i, price_name, size_name, rows, count)
        if status == MALFORMED:
            return MALFORMED
        rows[count, 0] = BID
        count += 1
        i = _skip_blanks(text, i)
        if i < n and text[i] == 44:
            i = _skip_blanks(text, i + 1)
            if i < n and text[i] == 93:
                return MALFORMED
        else:
            break
    if i >= n or text[i] != 93 or _skip_blanks(text, i + 1) < n:
        return MALFORMED
    return count


@njit(cache=True)
def valid(rows, count):
    """Whether every price is positive and finite and every size finite and not negative."""
    for k in range(count):
        price = rows[k, 1]
        size = rows[k, 2]
        if not (0.0 < price < np.inf) or not (0.0 <= size < np.inf):
            return False
    return True


@njit(cache=True)
def judge(rows, count):
    """0 if the scanned rows are ``valid``, MALFORMED if not, UNDECIDED where Python must say."""
    found = 0
    for k in range(count):
        price = rows[k, 1]
        size = rows[k, 2]
        if price == 0.0:
            return MALFORMED
        if price < 0.0 or size < 0.0:
            found = UNDECIDED
    return found
