"""What clients do: orders placed as they word them."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from trochil.sandbox.lookups import Asked
from trochil.sandbox.market.accounts import ZERO, Account
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.venue import Rejected
from trochil.sandbox.records import Records

LASTING = ("GTC", "IOC", "FOK")


class Placing(Records):
    """Orders as a venue's clients word them; its ``words`` tell, the other way round, what they mean."""

    words: ClassVar[Mapping[str, Mapping[Any, Any]]] = {}
    """Fact -> our word -> the venue's, where they differ: {"state": {"new": "live"}}."""
    buys_by_value: ClassVar[bool] = False
    """Whether a market purchase gives its size in quote where nothing is said."""
    client_ids_are_uuids: ClassVar[bool] = False
    kinds: ClassVar[str] = "limit market"
    """What those two are called."""
    needs: ClassVar[tuple[str, ...]] = ("kind",)
    """What every order must say of its kind and tif; with tif, market orders one that lets them not rest."""

    def find_place(self, account: Account, given: Asked) -> Order:
        """``given``: side, price, size (or quote: the size in quote), client; its kind and tif, or both in one (the
        kind may follow the side behind a dash); post (true, or with a "post" in it); unit (of market orders' sizes)."""
        side, _, kind = str(given.need("side")).lower().partition("-")
        if side not in ("buy", "sell"):
            raise Rejected("illegal", side)
        terms = self._terms(kind or given.get("kind", ""), given)
        post = given.get("post") is True or "post" in str(given.get("post", ""))
        terms = "post_only" if post and terms != "market" else terms
        price = None if terms == "market" else Decimal(str(given.need("price")))
        in_quote = bool(given.get("quote")) or (
            price is None and self._unit(given.get("unit", ""), side) == "quote"
        )
        size, client = (
            Decimal(str(given.get("quote") or given.need("size"))),
            given.get("client", ""),
        )
        client = str(UUID(client)) if client and self.client_ids_are_uuids else client
        pair = self.pair(given.need("pair"))
        return self.take(
            account, pair, side, size, price, tif=terms, client_id=client, in_quote=in_quote
        )

    def _terms(self, kind: str, given: Asked) -> str:
        """Raises Rejected: missing; illegal; not_required, for a time in force beside a kind that says it all."""
        limit, market = self.kinds.split()
        words, tif = self.words.get("terms", {}), str(given.get("tif", ""))
        worded = {ours: theirs for ours, theirs in words.items() if ours != "market"}
        times = Counter(worded.values())
        meant: dict[str, str] = {
            theirs: ours for ours, theirs in worded.items() if times[theirs] == 1
        }
        if kind in meant or kind == words.get("market"):
            if tif:
                raise Rejected("not_required", given.names["tif"])
            return meant.get(kind, "market")
        for name in self.needs:
            if name != "kind" or not kind:  # the kind may have come with the side
                given.need(name)
        if kind not in (limit, market, ""):
            raise Rejected("illegal", kind)
        if times[kind] > 1:  # it stands for several: the time in force, in our words, says which
            given.need("tif")
            worded = {}
        meanings = {each: each for each in LASTING if each not in worded}
        meanings |= {theirs: ours for ours, theirs in worded.items()}
        lasts = meanings.get(tif, "") if tif else "GTC"
        if not lasts or (kind == market and "tif" in self.needs and lasts in ("GTC", "post_only")):
            raise Rejected("illegal", tif)
        return "market" if kind == market else lasts

    def _unit(self, said: str, side: str) -> str:
        named = (ours for ours, theirs in self.words.get("unit", {}).items() if theirs in said)
        return next(named, "quote" if self.buys_by_value and side == "buy" else "base")

    def take(
        self,
        account: Account,
        pair: str,
        side: str,
        size: Decimal,
        price: Decimal | None,
        *,
        tif: str,
        **terms: Any,
    ) -> Order:
        """An order in our words. ``tif`` also market or post_only; ``terms``: client_id, in_quote (the size)."""
        type = tif if tif in ("market", "post_only") else "limit"
        base, quote = (ZERO, size) if terms.pop("in_quote", False) else (size, None)
        terms |= {"tif": "GTC" if type != "limit" else tif, "quote_amount": quote}
        return self.venue.place(
            account, pair, side, type, base, price, self.server.now_ns(), **terms
        )
