"""The conformance suite under pytest, for every venue of the registry: also for those that other packages bring."""

from collections.abc import Iterator

import pytest

from exchanges import registry
from trochil.conformance.cases import CASES, Case
from trochil.conformance.desk import Desk, sandbox_desk


@pytest.fixture(scope="module", params=registry.names())
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    with sandbox_desk(registry.get(request.param)) as found:
        yield found


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_every_exchange(desk: Desk, case: Case) -> None:
    why = desk.exchange.about.not_applicable.get(case.id)
    if why is not None:
        pytest.skip(f"does not apply: {why}")
    case.run(desk)
