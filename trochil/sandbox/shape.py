"""How a venue words a fact sheet: ``shape`` makes a row of JSON out of flat facts, by a line of words."""

import re
from collections.abc import Iterable
from functools import cache
from json import loads
from typing import Any

Facts = dict[str, Any]
Made = dict[str, Any]
_WORD = re.compile(
    r"([^\s=:{}\[\]]+)(?:(=)(\??#?)(\w+)(\[)?|(:=)(\[[^\]]*\]|\{\}|[^\s}\]]*)|(:)([^\s{}\[\]]*)|([{\[]))?|[}\]]"
)


def shape(words: str, facts: Facts) -> Made:
    """A row. In ``words``, apart by spaces:

    ``side`` the fact of that name; ``px=price`` under the venue's name; ``sz=#amount`` as a JSON number; ``px=?price``
    only where it is neither empty nor 0; ``type:SPOT`` a text; ``count:=0`` JSON (flat, without blanks);
    ``fee{ccy=fee_asset}`` an object; ``fees[ccy=fee_asset]`` a list of one, ``[a | b]`` of two;
    ``rows=purse[ccy=asset]`` of all that a fact lists, which are facts again.
    Raises KeyError for a fact that isn't there.
    """
    return _made(_parsed(words), facts)


def _made(parsed: tuple[Any, ...], facts: Facts) -> Made:
    row: Made = {}
    for kind, name, what, mode in parsed:
        if kind == "fact":
            value = facts[what]
            if "?" in mode and value in ("", "0", None):
                continue
            row[name] = number(value) if "#" in mode else value
        elif kind == "constant":
            row[name] = what
        elif kind == "each":
            row[name] = [_made(what, each) for each in facts[mode]()]
        else:
            inner = [_made(part, facts) for part in what]
            row[name] = inner[0] if kind == "{" else inner
    return row


@cache
def _parsed(words: str) -> tuple[Any, ...]:
    tokens = iter(_WORD.finditer(words))
    return tuple(_group(tokens))


def _group(tokens: Iterable[re.Match[str]]) -> Iterable[tuple[str, str, Any, str]]:
    for token in tokens:
        name, equals, mode, fact, each, json, literal, colon, constant, bracket = token.groups()
        if name is None:
            return
        if each:
            yield "each", name, tuple(_group(tokens)), fact
        elif equals:
            yield "fact", name, fact, mode
        elif json:
            yield "constant", name, loads(literal), ""
        elif colon:
            yield "constant", name, constant, ""
        elif bracket:
            yield bracket, name, _parts(_group(tokens)), ""
        else:
            yield "fact", name, name, ""


def _parts(group: Iterable[Any]) -> list[list[Any]]:
    parts: list[list[Any]] = [[]]
    for word in group:
        if word[1] == "|":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def number(value: Any) -> Any:
    """As JSON writes numbers; of a list, all in it."""
    if isinstance(value, list):
        return [number(each) for each in value]
    return float(value) if "." in value else int(value)
