"""The conformance suite under pytest, for every venue of the registry: also for those that other packages bring."""

from collections.abc import Iterator

import pytest

import trochil
from exchanges import registry
from trochil.conformance.cases import CASES, Case
from trochil.conformance.desk import Desk
from trochil.sandbox.process import SandboxProcess

RULES_REFRESH = 1.0


@pytest.fixture(scope="module", params=registry.names())
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A sandbox of the venue with a client on it."""
    name = request.param
    exchange = registry.get(name)
    with SandboxProcess(name, seed=11, rate=20) as sandbox:
        config = sandbox.config | {"deployment": f"conformance-{name}", "rules_refresh": RULES_REFRESH}
        accounts = {name: f"file:{sandbox.keys_file}#default"}
        pairs = sandbox.pairs[:2]
        with trochil.connect(name, pairs=pairs, accounts=accounts, config=config, address="inline") as client:
            found = Desk(exchange, client, pairs[0], sandbox)
            found.rules = client.rules(name)
            client.market(name).wait_ready(60)
            yield found


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_every_exchange(desk: Desk, case: Case) -> None:
    why = desk.exchange.about.not_applicable.get(case.id)
    if why is not None:
        pytest.skip(f"does not apply: {why}")
    case.run(desk)
