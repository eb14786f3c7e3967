"""What adapters make of frames and answers is what it was when goldens were stored (record.py), or
stricter where policy.py says so."""

import gzip
import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchanges import registry
from exchanges.contract import OrderEntry
from orderbook.messages import BookDiff, LevelNames
from tests.goldens import canonical
from tests.goldens.capture import ORDER_CALLS
from tests.goldens.policy import Verdict, same_or_stricter, whole_words
from tests.goldens.recorded import FILES, STORED, digest_of
from tests.goldens.replaying import Replaying, group_of, groups_of, kinds_of
from tests.support.recordings import recording

FOLDER = Path(__file__).parent
VENUES = list(registry.BUILT_IN)
PLACES = ("sandbox", "tests", "refusals", "variants")
"""Where the inputs of a file of goldens came from."""
NEW_SINCE = {"hyperliquid": {"fast"}}
"""Feeds that came after goldens were stored: their frames are those of another feed."""
SHOWN = 3
"""Differences that a failed test shows."""
LEAST = {"sandbox": 1.0, "tests": 1.0, "refusals": 0.5, "variants": 0.2}
"""Part of the stored records of each kind that must still be read."""
STRICTER = FOLDER / "stricter.json"
"""Venue -> place -> group -> reason -> lines with another outcome for that reason."""


@cache
def counts_of(venue: str) -> dict[str, dict[str, dict[str, int]]]:
    text = (FOLDER / venue / "counts.json").read_text()
    found: dict[str, dict[str, dict[str, int]]] = json.loads(text)
    return found


def lines_of(venue: str, place: str) -> list[dict[str, Any]]:
    text = gzip.decompress((FOLDER / venue / f"{place}.jsonl.gz").read_bytes()).decode()
    lines = text.splitlines()
    return [json.loads(whole_words(line) if place == "refusals" else line) for line in lines]


@dataclass
class Comparison:
    """Of one file of goldens."""

    stored: Counter[str] = field(default_factory=Counter)
    """Records of each kind that stand in the file."""
    now: Counter[str] = field(default_factory=Counter)
    """Records of each kind that its lines give today."""
    sizes: Counter[str] = field(default_factory=Counter)
    """Lines of each group."""
    stricter: dict[str, Counter[str]] = field(default_factory=dict)
    """Lines of each group whose outcome is another for a reason, by the reason."""
    differences: dict[str, list[str]] = field(default_factory=dict)
    """The others, of each group."""


@cache
def compared(venue: str, place: str) -> Comparison:
    found = Comparison()
    replaying = Replaying(registry.get(venue))
    for line, session in groups_of(lines_of(venue, place)):
        outcome = replaying.outcome(line)
        if "records" in line:
            continue
        found.stored.update(kinds_of(line, line["gives"], session))
        found.now.update(kinds_of(line, outcome, session))
        group = group_of(line, session)
        found.sizes[group] += 1
        verdict = same_or_stricter(venue, place, line, outcome)
        if verdict is Verdict.DIFFERENT:
            found.differences.setdefault(group, []).append(difference(line, outcome))
        elif verdict is not Verdict.SAME:
            found.stricter.setdefault(group, Counter())[verdict.value] += 1
    return found


def difference(line: dict[str, Any], outcome: Any) -> str:
    given = {name: value for name, value in line.items() if name != "gives"}
    return f"{json.dumps(given)[:1500]}\n gave {paths(line['gives'], outcome)}"


def paths(stored: Any, now: Any, where: str = "") -> str:
    """Where two outcomes differ first."""
    if isinstance(stored, dict) and isinstance(now, dict) and stored.keys() == now.keys():
        found = next(name for name in stored if stored[name] != now[name])
        return paths(stored[found], now[found], f"{where}.{found}")
    if isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        place = next(n for n in range(len(stored)) if stored[n] != now[n])
        return paths(stored[place], now[place], f"{where}[{place}]")
    return f"at {where or 'its top'}: {json.dumps(stored)[:700]}\n but now  {json.dumps(now)[:700]}"


PARTS = [(venue, place) for venue in VENUES for place in PLACES]
GROUPS = [(*part, group) for part in PARTS for group in counts_of(part[0])[part[1]]["groups"]]


@pytest.mark.parametrize(("venue", "place", "group"), GROUPS, ids=["-".join(g) for g in GROUPS])
def test_records_are_what_they_were(venue: str, place: str, group: str) -> None:
    comparison = compared(venue, place)
    assert comparison.sizes[group] == counts_of(venue)[place]["groups"][group] > 0
    found = comparison.differences.get(group, [])
    shown = "\n".join(found[:SHOWN])
    assert not found, f"{len(found)} of {comparison.sizes[group]} differ\n{shown}"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("venue", VENUES)
def test_as_many_records_of_each_kind_as_there_were(venue: str, place: str) -> None:
    """All that was stored is compared, and most of it is still read."""
    comparison = compared(venue, place)
    stored = counts_of(venue)[place]["records"]
    assert min(stored.values()) > 0
    assert dict(comparison.stored) == stored
    least = LEAST[place]
    lost = [kind for kind, number in stored.items() if comparison.now[kind] < least * number]
    assert [kind for kind in lost if not kind.endswith(":raises")] == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("venue", VENUES)
def test_stricter_are_those_outcomes_that_were_looked_at(venue: str, place: str) -> None:
    """``python -m tests.goldens.record --stricter`` counts them anew: look at what comes."""
    known = json.loads(STRICTER.read_text())[venue].get(place, {})
    found = {group: dict(kinds) for group, kinds in compared(venue, place).stricter.items()}
    assert found == known


@pytest.mark.parametrize("venue", VENUES)
def test_goldens_cover_what_a_venue_can_be_asked_and_can_say(venue: str) -> None:
    records: Counter[str] = Counter()
    for place in PLACES:
        records.update(counts_of(venue)[place]["records"])
    exchange = registry.get(venue)
    asked = [name for name in ORDER_CALLS if name != "order_fills"]
    if exchange.orders.order_fills is not OrderEntry.order_fills:
        asked.append("order_fills")
    asked += ["markets", "trading_rules"] + ["server_time"] * (exchange.server_time is not None)
    needed = [f"call:{name}" for name in asked]
    needed += ["book:frame", "book:Trade", "user:frame", "user:OrderUpdate", "user:Fill"]
    needed += ["user:Ready", "place:OrderUpdate", "status:OrderUpdate", "fills:Fill"]
    needed += ["balances:Balance", "fees:Fee", "open_orders:OrderUpdate"]
    needed += ["user:Balance"] * exchange.streams_balances
    assert [name for name in needed if not records[name]] == []


@pytest.mark.parametrize("venue", VENUES)
def test_goldens_cover_every_feed(venue: str) -> None:
    lines = lines_of(venue, "sandbox")
    followed = {line["feed"] for line in lines if line.get("session") == "book"}
    followed |= NEW_SINCE.get(venue, set())
    books = {registry.get(venue).with_feed(name).book for name in followed}
    assert books == {registry.get(venue).book, *registry.get(venue).feeds.values()}


@pytest.mark.parametrize("name", FILES)
def test_real_frames_give_what_they_gave(name: str) -> None:
    stored = json.loads(STORED.read_text())[name]
    assert stored["counts"]["inputs"] > 0
    assert digest_of(recording(name), *FILES[name]) == stored


@pytest.mark.parametrize(
    ("venue", "names", "shown"),
    [
        ("bittrex", ("rate", "quantity"), "Layout.SIZE_FIRST"),
        ("bittrex", ("quantity", "rate"), "Layout.JSON by quantity, rate"),
        ("kraken", ("price", "qty"), "Layout.JSON"),
        ("kraken", ("qty", "price"), "Layout.JSON by qty, price"),
        ("hyperliquid", ("px", "sz"), "Layout.JSON"),
        ("hyperliquid", ("sz", "px"), "Layout.JSON by sz, px"),
        ("hyperliquid", ("price", "qty"), "Layout.JSON by price, qty"),
        ("okx", ("rate", "quantity"), "Layout.JSON by rate, quantity"),
    ],
)
def test_levels_are_what_they_were_by_the_names_of_their_venue_alone(
    venue: str, names: tuple[str, str], shown: str
) -> None:
    diff = BookDiff("A", b"[]", b"[]", names=LevelNames(*names))
    found = canonical.with_stored_layouts(venue, [canonical.canonical(diff)])
    assert found[0]["fields"]["layout"] == shown
    assert "names" not in found[0]["fields"]


class Price(msgspec.Struct, frozen=True):
    exact: Decimal
    note: str = ""


def test_a_renamed_type_and_field_are_compared_under_their_old_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renamed = {"Cost": "Price", "Cost.amount": "exact"}
    monkeypatch.setitem(canonical.FIELDS, "Cost", ["amount"])
    monkeypatch.setattr(canonical, "RENAMED", renamed)
    monkeypatch.setattr(canonical, "OLD_NAMES", {new: old for old, new in renamed.items()})
    stored = {"type": "Cost", "fields": {"amount": "Decimal 1"}}
    assert canonical.canonical(Price(Decimal("1.0"), "new")) == stored
    kinds: dict[str, type[Any]] = {"Cost": Price}
    given = {"type": "Cost", "fields": {"amount": "1"}}
    assert canonical.revived(given, kinds) == Price(Decimal(1))
