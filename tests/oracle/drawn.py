"""Faults that are drawn from a seed, and told at the venue's admin door."""

import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from tests.oracle.judge import LATE_DEAD_S
from tests.oracle.world import FIRST_NUMBER, World, is_unchecked

BY_NAME: dict[str, float] = {
    "drop_frame": 0.05,
    "duplicate_frame": 0.2,
    "reorder_frame": 0.1,
    "delay_frame": 0.12,
    "bad_checksum": 2,
    "sequence_reset": 1,
    "disconnect_public": 1,
    "stale_snapshot": 2,
    "http_503": 2,
    "withhold_snapshot": 1,
    "delay_snapshot": 0.3,
    "refuse_handshake": 2,
    "limit_handshake": 1,
}
"""Faults of the sandbox, and how they are set when they are drawn."""
RESTARTS = ("restart_numbers", "numbers_fall_back")
LOSSES = ("drop_frame", "reorder_frame", "drop", "dead_channel", *RESTARTS)
"""What a feed that declares no check can't see."""
NUMBERS_APART = 100_000
"""Numbers between two restarts: more than a session has."""
NUMBERS_OF_CHANGES = ("binance", "htx", "okx")
"""Venues whose books number the changes of the market, not the frames."""
ONLY_LONG = ("dead_channel", "delist")
"""What takes longer to be seen and healed than a short session lasts."""
NOT_DRAWN: tuple[str, ...] = ()
"""What books are known not to stand; ``--faults`` draws it."""
Draw = Callable[[World, random.Random], Awaitable[Any]]


def some_pair(world: World, rng: random.Random) -> str:
    return rng.choice(list(world.pairs.values()))


async def drop(world: World, rng: random.Random) -> None:
    await world.admin("drop", pair=some_pair(world, rng), frames=rng.randrange(1, 4))


async def cut(world: World, rng: random.Random) -> None:
    await world.admin("disconnect", which="public")


async def dead_channel(world: World, rng: random.Random) -> None:
    world.judge.late_s = LATE_DEAD_S
    healed_by = rng.choice(("subscription", "connection"))
    await world.admin("dead_channel", pair=some_pair(world, rng), healed_by=healed_by)


async def restart_numbers(world: World, rng: random.Random) -> None:
    """To numbers that no book of the session had."""
    world.restarts += 1
    first = FIRST_NUMBER - world.restarts * NUMBERS_APART
    await world.admin("restart_numbers", pair=some_pair(world, rng), first=first)


async def numbers_fall_back(world: World, rng: random.Random) -> None:
    """To numbers that the pair's books had some seconds ago: they meet the old ones soon."""
    pair = some_pair(world, rng)
    book = world.server.book(pair)
    await world.admin("restart_numbers", pair=pair, first=max(1, book.update_id - 200))


async def rules(world: World, rng: random.Random) -> None:
    """Another tick; at Hyperliquid it follows from the lot."""
    pair = some_pair(world, rng)
    symbol = world.server.venue.symbols[pair]
    name = "size_step" if world.exchange.name == "hyperliquid" else "price_tick"
    step: Decimal = getattr(symbol, name)
    steps = [str(step * 10)] if step < Decimal("0.0001") else [str(step / 10), str(step)]
    await world.admin("rules", pair=pair, **{name: rng.choice(steps)})


async def ban(world: World, rng: random.Random) -> None:
    told = rng.choice(("header", "date"))
    await world.admin("ban", seconds=1, told=told, kind=rng.choice(("ban", "limit")))


async def trend(world: World, rng: random.Random) -> None:
    levels = rng.choice((-60, 60))
    await world.admin("flow", trend=levels, pair=some_pair(world, rng))


async def delist(world: World, rng: random.Random) -> None:
    await world.admin("delist", pair=some_pair(world, rng), at="snapshot")
    await cut(world, rng)


TOLD: dict[str, Draw] = {
    "drop": drop,
    "cut": cut,
    "dead_channel": dead_channel,
    "restart_numbers": restart_numbers,
    "numbers_fall_back": numbers_fall_back,
    "rules": rules,
    "ban": ban,
    "trend": trend,
    "delist": delist,
}


def kinds(world: World, *, long: bool) -> list[str]:
    """The faults that may be drawn for a feed."""
    left_out = {*NOT_DRAWN} if long else {*NOT_DRAWN, *ONLY_LONG}
    if is_unchecked(world.exchange):
        left_out.update(LOSSES)
    if world.exchange.name == "kraken":  # it numbers nothing
        left_out.update(RESTARTS)
    if world.exchange.name not in NUMBERS_OF_CHANGES:
        left_out.add("numbers_fall_back")
    if world.exchange.name == "bittrex":  # its frames begin with 1 again, and meet the old numbers
        left_out.add("sequence_reset")
    return [kind for kind in (*BY_NAME, *TOLD) if kind not in left_out]


async def draw(world: World, kind: str, rng: random.Random) -> None:
    """End the faults by name, and let one happen."""
    quiet = dict.fromkeys(BY_NAME, 0.0)
    await world.admin("faults", **quiet)
    await world.admin("flow", trend=0)
    if kind in BY_NAME:
        await world.admin("faults", **{kind: BY_NAME[kind]})
    else:
        await TOLD[kind](world, rng)


async def end(world: World) -> None:
    """No fault any more; what was delisted is listed again."""
    await world.admin("faults", **dict.fromkeys(BY_NAME, 0.0))
    await world.admin("flow", trend=0)
    await world.admin("ban", seconds=0)
    for pair in world.pairs.values():
        await world.admin("drop", pair=pair, frames=0)
        await world.admin("dead_channel", pair=pair, dead=False)
        world.server.delisted_by_snapshot.discard(pair)
        await world.admin("list", pair=pair)
