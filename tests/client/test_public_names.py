"""What ``import trochil`` offers: every error of the one tree, and states that print as words."""

import inspect
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import trochil
from exchanges.orders import OrderState
from orderbook import errors
from orderbook.messages import BookState

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.TrochilError)
]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_is_a_public_name(kind: type) -> None:
    assert getattr(trochil, kind.__name__) is kind
    assert kind.__name__ in trochil.__all__


def test_the_tree_is_drawn_of_every_error() -> None:
    assert errors.__doc__ is not None
    drawn = {
        line.split("── ")[1].split()[0] for line in errors.__doc__.splitlines() if "── " in line
    }
    assert drawn == {kind.__name__ for kind in ERRORS} - {"TrochilError"}


def test_dir_lists_the_public_names_and_each_is_there() -> None:
    assert dir(trochil) == sorted(trochil.__all__)
    for name in trochil.__all__:
        assert getattr(trochil, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'TaskGroup'"):
        trochil.TaskGroup  # noqa: B018


def test_an_order_that_is_not_here_is_no_error_of_the_venue() -> None:
    assert not issubclass(errors.OrderNotFound, errors.VenueError)


@pytest.mark.parametrize("kind", [errors.OrderNotFound, errors.JournalError, errors.Fenced])
def test_errors_survive_the_way_between_processes(kind: type[Exception]) -> None:
    again = pickle.loads(pickle.dumps(kind("why")))
    assert (type(again), str(again)) == (kind, "why")


def test_states_print_as_words() -> None:
    assert (str(BookState.LIVE), f"{BookState.STALE:>6}") == ("LIVE", " STALE")
    assert str(OrderState.PARTIALLY_FILLED) == "partially_filled"
    assert BookState.LIVE == 1


def test_the_version_is_what_the_project_declares() -> None:
    assert trochil.__version__ == VERSION


def test_a_checkout_that_is_not_installed_knows_its_version() -> None:
    # -I -S: nothing installed is found, so no metadata of an installed Trochil either.
    said = f"import sys; sys.path.append({str(ROOT)!r}); from trochil.version import __version__"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{said}; print(__version__)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (VERSION, "")


def test_asking_for_the_version_imports_no_ray_and_no_numba() -> None:
    said = "import sys, trochil; trochil.__version__; print({'ray', 'numba'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


@pytest.mark.slow
def test_a_type_checker_knows_the_public_names_and_refuses_others(tmp_path: Path) -> None:
    file = tmp_path / "user.py"
    file.write_text("import trochil\nversion: str = trochil.__version__\ntrochil.conect\n")
    mypy = [sys.executable, "-m", "mypy", "--follow-imports=silent", str(file)]
    done = subprocess.run(mypy, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        f'{file}:3: error: Module has no attribute "conect"; maybe "connect"?  [attr-defined]',
        "Found 1 error in 1 file (checked 1 source file)",
    ], done.stdout + done.stderr
