"""Every venue of the registry passes every case of the conformance suite that applies to it."""

from exchanges import registry
from trochil.conformance.cases import CASES
from trochil.conformance.test_conformance import harness, test_every_exchange

__all__ = ["harness", "test_every_exchange"]


def test_no_venue_excuses_itself_from_more_than_three_cases() -> None:
    for name in registry.names():
        excuses = registry.get(name).about.not_applicable
        assert len(excuses) <= 3, f"{name}: {list(excuses)}"
        assert set(excuses) <= set(CASES), f"{name} excuses itself from unknown cases"
        assert all(len(why) > 20 for why in excuses.values())
