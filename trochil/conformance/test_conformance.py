"""The conformance suite under pytest, for every registered venue, also those of other packages."""

from collections.abc import Iterator

import pytest

from exchanges import registry
from trochil.conformance.cases import CASES, Case
from trochil.conformance.venue_harness import VenueHarness, sandbox_harness


@pytest.fixture(scope="module", params=registry.names())
def harness(request: pytest.FixtureRequest) -> Iterator[VenueHarness]:
    with sandbox_harness(registry.get(request.param)) as found:
        yield found


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_every_exchange(harness: VenueHarness, case: Case) -> None:
    why = harness.exchange.about.not_applicable.get(case.id)
    if why is not None:
        pytest.skip(f"does not apply: {why}")
    case.run(harness)
