"""What keeps the contract right: adapters don't repeat one another, and no venue's name stands in
shared code."""

import re
from collections import Counter
from pathlib import Path

from exchanges.registry import BUILT_IN

ROOT = Path(__file__).parents[2]
SHARED = ("actors", "orderbook", "trochil", "exchanges")
ADAPTERS = {
    name: ROOT / (place.partition(":")[0].replace(".", "/") + ".py")
    for name, place in BUILT_IN.items()
}
DIALECTS = {*(ROOT / "trochil/sandbox/dialects").rglob("*.py")}
WINDOW = 6
CCXT_IDS = "RENAMED = "
"""Ids that ccxt gave up are named by the bridge to it."""


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def windows(path: Path) -> list[tuple[str, ...]]:
    """Runs of six lines with something on them, imports aside, white space folded."""
    code = [" ".join(line.split()) for line in lines(path)]
    code = [
        line
        for line in code
        if len(line) > 2 and not line.startswith(("from ", "import ", "#", '"""'))
    ]
    return [tuple(code[i : i + WINDOW]) for i in range(len(code) - WINDOW + 1)]


def test_adapters_do_not_repeat_one_another() -> None:
    found = {name: windows(path) for name, path in ADAPTERS.items()}
    seen = Counter(window for own in found.values() for window in set(own))
    total = 0
    repeated = 0
    for own in found.values():
        total += len(own)
        repeated += sum(seen[window] > 1 for window in own)
    assert repeated < 0.05 * total, (
        f"{repeated} of {total} windows of six lines stand in more than one adapter"
    )


def test_no_venue_is_named_in_shared_code() -> None:
    # A list of venues, and of ids that ccxt gave up.
    lists = {
        ROOT / "exchanges/registry.py",
        ROOT / "exchanges/ccxt_venue.py",
    }
    own = {*ADAPTERS.values(), *DIALECTS, *lists}
    word = re.compile("|".join(rf"\b{name}\b" for name in ADAPTERS), re.I)
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for folder in SHARED
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path not in own
        for number, line in enumerate(lines(path), 1)
        if word.search(line) and not line.startswith(CCXT_IDS)
    ]
    assert not named, "\n".join(named)
