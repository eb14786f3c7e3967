"""Accounts of the sandbox venue: what they own, and what is held for open orders. Exact."""

from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(slots=True)
class Holding:
    free: Decimal = ZERO
    held: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.free + self.held


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has of one asset."""

    asset: str
    free: Decimal
    held: Decimal

    @property
    def total(self) -> Decimal:
        return self.free + self.held


@dataclass(slots=True)
class Account:
    """One customer; ``unlimited`` for the liquidity provider, whose flow must never run dry."""

    name: str
    keys: dict[str, str] = field(default_factory=dict)
    """What its owner signs with: api_key, api_secret and whatever else the venue wants."""
    unlimited: bool = False
    holdings: dict[str, Holding] = field(default_factory=dict)

    def of(self, asset: str) -> Holding:
        return self.holdings.setdefault(asset, Holding())

    def balances(self, *assets: str) -> list[Balance]:
        """Of all assets that it ever had, or of those named."""
        return [
            Balance(asset, holding.free, holding.held)
            for asset, holding in self.holdings.items()
            if not assets or asset in assets
        ]

    def can_hold(self, asset: str, amount: Decimal) -> bool:
        return self.unlimited or self.of(asset).free >= amount

    def hold(self, asset: str, amount: Decimal) -> None:
        holding = self.of(asset)
        holding.free -= amount
        holding.held += amount

    def release(self, asset: str, amount: Decimal) -> None:
        self.hold(asset, -amount)

    def pay(self, asset: str, amount: Decimal, held: bool) -> None:
        holding = self.of(asset)
        if held:
            holding.held -= amount
        else:
            holding.free -= amount

    def receive(self, asset: str, amount: Decimal) -> None:
        self.of(asset).free += amount
