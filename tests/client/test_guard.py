"""A user's own file that hides one of our packages is named at once, with the remedy."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(script: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *flags, str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("hiding", ["orderbook.py", "exchanges/__init__.py", "actors.py"])
def test_a_file_beside_the_driver_that_hides_a_package_is_named(
    tmp_path: Path, hiding: str
) -> None:
    path = tmp_path / hiding
    path.parent.mkdir(exist_ok=True)
    path.write_text("books = {}\n")
    driver = tmp_path / "driver.py"
    driver.write_text("import trochil\nprint(trochil.connect)\n")
    ended = run(driver)
    assert ended.returncode == 1
    assert "HiddenPackage" in ended.stderr
    assert str(path) in ended.stderr
    assert "rename it" in ended.stderr


def test_with_python_p_the_same_driver_works(tmp_path: Path) -> None:
    (tmp_path / "orderbook.py").write_text("books = {}\n")
    driver = tmp_path / "driver.py"
    driver.write_text("import trochil\nprint(trochil.BadPair.__name__)\n")
    ended = run(driver, "-P")
    assert (ended.returncode, ended.stdout.strip()) == (0, "BadPair"), ended.stderr


def test_a_folder_without_init_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "exchanges").mkdir()
    driver = tmp_path / "driver.py"
    driver.write_text("import trochil\nprint(trochil.BadPair.__name__)\n")
    assert run(driver).stdout.strip() == "BadPair"


def test_an_own_module_that_was_imported_first_is_found_too(tmp_path: Path) -> None:
    (tmp_path / "orderbook.py").write_text("books = {}\n")
    driver = tmp_path / "driver.py"
    driver.write_text("import orderbook\nimport sys\nsys.path.pop(0)\nimport trochil\n")
    assert "orderbook.py hides" in run(driver).stderr
