"""The page of faults names tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_that_the_page_of_faults_names_exists() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert named
    assert named <= defined, f"no such tests: {sorted(named - defined)}"


def test_every_fault_has_a_test() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    rows = re.findall(r"^\| (\d+) \|(.*)$", page, flags=re.M)
    assert [int(number) for number, _ in rows] == [*range(43, 61), 71, 72]
    assert all("`test_" in text for _, text in rows)
