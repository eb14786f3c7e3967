"""What keeps venues small: lines, repetition between adapters, and no venue's name in shared code."""

import re
import statistics
from collections import Counter
from pathlib import Path

import pytest

from exchanges.registry import BUILT_IN
from trochil.sandbox import dialects

ROOT = Path(__file__).parents[2]
SHARED = ("actors", "orderbook", "trochil", "exchanges")
ADAPTERS = {
    name: ROOT / (place.partition(":")[0].replace(".", "/") + ".py")
    for name, place in BUILT_IN.items()
}
DIALECTS = {name: ROOT / "trochil/sandbox/dialects" / f"{name}.py" for name in dialects.names()}
WINDOW = 6


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_stays_small(name: str) -> None:
    assert len(lines(ADAPTERS[name])) < 300


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_stays_small(name: str) -> None:
    assert len(lines(DIALECTS[name])) < 200


def test_most_adapters_stay_smaller() -> None:
    assert statistics.median(len(lines(path)) for path in ADAPTERS.values()) < 220


def test_most_dialects_stay_smaller() -> None:
    assert statistics.median(len(lines(path)) for path in DIALECTS.values()) < 130


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
    total, repeated = 0, 0
    for own in found.values():
        total += len(own)
        repeated += sum(seen[window] > 1 for window in own)
    assert repeated < 0.05 * total, (
        f"{repeated} of {total} windows of six lines stand in more than one adapter"
    )


def test_no_venue_is_named_in_shared_code() -> None:
    lists = {ROOT / "exchanges/registry.py", ROOT / "trochil/sandbox/dialects/__init__.py"}
    own = {*ADAPTERS.values(), *DIALECTS.values(), *lists}
    word = re.compile("|".join(rf"\b{name}\b" for name in ADAPTERS), re.I)
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for folder in SHARED
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path not in own
        for number, line in enumerate(lines(path), 1)
        if word.search(line)
    ]
    assert not named, "\n".join(named)
