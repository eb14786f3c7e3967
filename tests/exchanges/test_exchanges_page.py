"""docs/exchanges.md says what the exchanges declare now."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from exchanges.registry import BUILT_IN, GROUP, get
from trochil.commands.exchanges_page import page

PAGE = Path(__file__).parents[2] / "docs" / "exchanges.md"


def test_the_page_is_current() -> None:
    if entry_points(group=GROUP):
        pytest.skip("venues of other packages are installed: they are not on our page")
    assert PAGE.read_text() == page(), (
        "run: python -m trochil.commands.exchanges_page > docs/exchanges.md"
    )


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_venue_says_what_checked_it(name: str) -> None:
    about = get(name).about
    assert about.checked
    assert about.books
    assert f"## {about.title}" in PAGE.read_text()
