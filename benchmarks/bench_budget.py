"""What it costs to count a request for all processes of a node: take and settle.

``python -m benchmarks.bench_budget`` prints microseconds, alone and beside other processes.
"""

import multiprocessing
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from actors.transport.budget_file import PrivateStorage, storage_at
from actors.transport.rate_limits import Budget
from exchanges.contract import RateLimit

LIMITS = (
    RateLimit("weight", 10**9, 60.0),
    RateLimit("orders", 10**9, 10.0, counted_by="account"),
)
ROUNDS = 20_000
QUESTION = {"weight": 1}
ORDER = {"weight": 1, "orders": 1}


def shared(folder: str) -> Budget:
    return Budget(
        LIMITS, lambda: storage_at(folder, "address"), lambda: storage_at(folder, "account")
    )


def microseconds(budget: Budget, cost: dict[str, int]) -> tuple[float, float]:
    """Of a take, and of a settle: medians."""
    taking = []
    settling = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        lease = budget.take(cost)
        taken = time.perf_counter()
        budget.settle(lease)
        settling.append(time.perf_counter() - taken)
        taking.append(taken - began)
    return statistics.median(taking) * 1e6, statistics.median(settling) * 1e6


def show(what: str, budget: Budget, cost: dict[str, int]) -> None:
    take, settle = microseconds(budget, cost)
    print(f"{what:<48} take {take:6.1f} us   settle {settle:6.1f} us")


def use(folder: str, ends: float) -> None:
    budget = shared(folder)
    while time.monotonic() < ends:
        budget.settle(budget.take(QUESTION))
        time.sleep(0.001)


def main() -> None:
    folder = tempfile.mkdtemp(prefix="trochil-bench-", dir="/dev/shm")
    try:
        show("in one process, a question", Budget(LIMITS, PrivateStorage, PrivateStorage), QUESTION)
        address_alone = Budget(LIMITS[:1], lambda: storage_at(folder, "alone"))
        show("file of an address, a question", address_alone, QUESTION)
        show("files of an address and an account, a question", shared(folder), QUESTION)
        show("files of an address and an account, an order", shared(folder), ORDER)
        spawn = multiprocessing.get_context("spawn")
        ends = time.monotonic() + 15.0
        others = [spawn.Process(target=use, args=(folder, ends)) for _ in range(3)]
        for other in others:
            other.start()
        time.sleep(3.0)
        show("the same beside 3 processes with 1000 a second", shared(folder), ORDER)
        for other in others:
            other.join()
    finally:
        shutil.rmtree(Path(folder), ignore_errors=True)


if __name__ == "__main__":
    main()
