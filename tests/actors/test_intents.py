"""An intent is one job of the journal, and leads to one order whatever happens meanwhile."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from actors.orders.journal import Journal
from exchanges.rules import terms_of
from orderbook.errors import BadPair, Halted, InvalidOrder
from tests.support.channels import run, until
from tests.support.scripted_account import PAIR, AccountDesk, account_desk

T = TypeVar("T")


class CountingJournal(Journal):
    """Counts the jobs that its thread is given."""

    jobs = 0

    async def _run(self, job: Callable[[sa.Connection], T], *, append: bool) -> T:
        self.jobs += 1
        return await super()._run(job, append=append)


def at_desk(folder: Path, work: Any) -> None:
    async def main() -> None:
        async with account_desk(folder) as at:
            await work(at)

    run(main)


def test_an_intent_is_one_job_of_the_journal(tmp_path: Path) -> None:
    journal = CountingJournal(f"sqlite:///{tmp_path}/journal.db", venue="scripted", account="x")

    async def main() -> None:
        async with account_desk(tmp_path, journal=journal) as at:
            await quiet(journal)
            before = journal.jobs
            await at.place("i")
            assert journal.jobs - before == 1
            await quiet(journal)
            before = journal.jobs
            await at.place("i")
            assert journal.jobs - before == 1

    run(main)


async def quiet(journal: CountingJournal) -> None:
    """Until nothing more is written of what happened before."""
    before = -1
    while journal.jobs != before:
        before = journal.jobs
        await asyncio.sleep(0.3)


def test_an_intent_that_was_taken_is_answered_while_trading_is_halted(tmp_path: Path) -> None:
    async def work(at: AccountDesk) -> None:
        first = await at.place("i")
        await at.market.halt(cancel=False)
        assert (await at.place("i")).client_order_id == first.client_order_id
        with pytest.raises(Halted):
            await at.place("another")

    at_desk(tmp_path, work)


def test_an_intent_that_was_taken_is_answered_whatever_its_terms_are_now(tmp_path: Path) -> None:
    async def work(at: AccountDesk) -> None:
        first = await at.place("i")
        wrong = terms_of(PAIR, "buy", "-1", "1")
        assert (await at.market.place("i", wrong)).client_order_id == first.client_order_id
        with pytest.raises(InvalidOrder, match="below the minimum"):
            await at.market.place("another", wrong)
        with pytest.raises(BadPair):
            await at.market.place("another", terms_of("X-Y", "buy", "1", "1"))
        assert len(at.account.placed) == 1

    at_desk(tmp_path, work)


def test_two_intents_of_one_client_id_lead_to_one_order(tmp_path: Path) -> None:
    async def work(at: AccountDesk) -> None:
        terms = terms_of(PAIR, "buy", "1", "1", client_id="mine")
        placing = [at.market.place(intent, terms) for intent in ("i", "j")]
        assert [order.client_order_id for order in await asyncio.gather(*placing)] == ["mine"] * 2
        await until(lambda: at.account.placed)
        await asyncio.sleep(0.2)
        assert at.account.placed == ["mine"]

    at_desk(tmp_path, work)


def test_floats_are_refused_where_terms_arrive(tmp_path: Path) -> None:
    import msgspec

    async def work(at: AccountDesk) -> None:
        terms = terms_of(PAIR, "buy", "1", "1")
        with pytest.raises(TypeError, match="amount is a float"):
            await at.market.place("i", msgspec.structs.replace(terms, amount=0.1))

    at_desk(tmp_path, work)
