"""``python -m tests.mutation``: 26 mistakes in each adapter; prints which survive mypy and the
venue's tests.

Each mistake is made in a copy of the checkout. The tests of the venue go first, then mypy judges
what they let pass.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from exchanges.registry import BUILT_IN
from tests.mutation.mutants import Mutant, chosen

ROOT = Path(__file__).parents[2]
COPIED = (
    "exchanges",
    "orderbook",
    "actors",
    "trochil",
    "tests",
    "pyproject.toml",
    "docs",
    "README.md",
)
LIMIT = 300.0


@dataclass(frozen=True, slots=True)
class Result:
    """``by``: what found the mistake; empty: nothing did."""

    venue: str
    mutant: Mutant
    by: str


def module_of(venue: str) -> Path:
    module, _, _ = BUILT_IN[venue].partition(":")
    return Path(module.replace(".", "/") + ".py")


def run(copy: Path, *command: str) -> bool:
    """Whether it passed."""
    environment = {"PYTHONPATH": str(copy), "PATH": "/usr/bin:/bin", "HYPOTHESIS_PROFILE": "ci"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=copy,
            env=environment,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def tests_of(copy: Path, venue: str) -> list[str]:
    own = sorted(copy.glob(f"tests/exchanges/test_{venue}*.py"))
    return [str(path.relative_to(copy)) for path in own] + [
        "tests/goldens",
        "tests/exchanges/test_signing.py",
    ]


def found_by(copy: Path, venue: str) -> str:
    goldens = ("-k", f"{venue} or test_{venue} or signing")
    arguments = ("-q", "-x", "-p", "no:cacheprovider", *tests_of(copy, venue), *goldens)
    if not run(copy, "pytest", *arguments):
        return "tests"
    return "" if run(copy, "mypy") else "mypy"


def judge(copies: "Queue[Path]", venue: str, mutant: Mutant) -> Result:
    copy = copies.get()
    path = copy / module_of(venue)
    source = path.read_text()
    try:
        path.write_text(mutant.apply(source))
        return Result(venue, mutant, found_by(copy, venue))
    finally:
        path.write_text(source)
        copies.put(copy)


@contextmanager
def copies_of_the_checkout(count: int) -> "Iterator[Queue[Path]]":
    with tempfile.TemporaryDirectory(prefix="trochil-mutants-") as folder:
        copies: Queue[Path] = Queue()
        for number in range(count):
            copy = Path(folder, str(number), "checkout")
            copy.mkdir(parents=True)
            for name in COPIED:
                place = ROOT / name
                (shutil.copytree if place.is_dir() else shutil.copy)(place, copy / name)
            frames = ROOT.parent / "shared"
            if frames.is_dir():
                (copy.parent / "shared").symlink_to(frames)
            copies.put(copy)
        yield copies


def check_untouched(copies: "Queue[Path]", venues: list[str]) -> None:
    """Nothing is found where there is no mistake, before the run and after it."""
    for venue in venues:
        untouched = copies.get()
        assert not found_by(untouched, venue), f"{venue}: the checkout itself does not pass"
        copies.put(untouched)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venue", action="append", choices=sorted(BUILT_IN), help="default: all")
    parser.add_argument("--count", type=int, default=26, help="mistakes an adapter")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    venues = options.venue or sorted(BUILT_IN)
    with (
        copies_of_the_checkout(options.workers) as copies,
        ThreadPoolExecutor(options.workers) as pool,
    ):
        check_untouched(copies, venues)
        jobs = [
            pool.submit(judge, copies, venue, mutant)
            for venue in venues
            for mutant in chosen(ROOT / module_of(venue), options.count, options.seed)
        ]
        results = [job.result() for job in jobs]
        check_untouched(copies, venues)
    return report(results)


def report(results: list[Result]) -> int:
    by = Counter(result.by or "nothing" for result in results)
    kinds = Counter(result.mutant.kind for result in results)
    found = len(results) - by["nothing"]
    print(f"{found} of {len(results)} found ({100 * found / len(results):.1f} %): {dict(by)}")
    for kind, count in kinds.most_common():
        print(f"  {count:3} {kind}")
    for result in results:
        if not result.by:
            mutant = result.mutant
            place = f"{module_of(result.venue)}:{mutant.line}"
            print(f"survived: {place} {mutant.kind}: {mutant.what}")
    return 0 if found >= 0.95 * len(results) else 1


sys.exit(main())
