"""Our packages have plain names, so a user's own file may hide one. That is said first, by name."""

import importlib.util
import sys
from pathlib import Path

PACKAGES = ("orderbook", "exchanges", "actors")


def refuse_hidden_packages(home: Path | None = None) -> None:
    """Raise an ImportError that names the file which hides one of our packages, and the remedy."""
    home = home or Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        found = _where(name)
        if found is None or found.parent != home / name:
            _refuse(name, found, home)


def _where(name: str) -> Path | None:
    module = sys.modules.get(name)
    origin = getattr(module, "__file__", None) if module else None
    if module is None:
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec else None
        if spec is not None and origin is None and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations))).resolve() / "__init__.py"
    return Path(origin).resolve() if origin else None


def _refuse(name: str, found: Path | None, home: Path) -> None:
    what = (
        f"{found} hides" if found else f"nothing is found for the package {name!r}, which should be"
    )
    message = (
        f"{what} Trochil's own package {name!r} in {home}: "
        "rename it; beside a script of your own, python -P your_script.py leaves its folder "
        "out of the search too"
        if found
        else f"Trochil's package {name!r} is missing in {home}: install Trochil again"
    )
    raise _hidden(home)(message)


def _hidden(home: Path) -> type[ImportError]:
    """HiddenPackage from our own file, also when the package it lives in is the hidden one."""
    spec = importlib.util.spec_from_file_location(
        "trochil._errors", home / "orderbook" / "errors.py"
    )
    if spec is None or spec.loader is None:
        return ImportError
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: type[ImportError] = module.HiddenPackage
    return found
