"""The skeleton of a new venue: a small made-up one that works in its own sandbox, to be turned into
the real one."""

import json
import re
from importlib.resources import files
from pathlib import Path

from exchanges.signing import hmac_hex
from orderbook.errors import ConfigError

PROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "trochil-@name@"
version = "0.1.0"
description = "@Name@ for Trochil"
requires-python = ">=3.11"
dependencies = ["trochil"]

[project.optional-dependencies]
test = ["trochil[test]"]

[project.entry-points."trochil.exchanges"]
@name@ = "trochil_@name@.adapter:@NAME@"

[project.entry-points."trochil.sandbox"]
@name@ = "trochil_@name@.dialect:Dialect"

[tool.setuptools]
packages = ["trochil_@name@"]

[tool.setuptools.package-data]
trochil_@name@ = ["vectors/*.json"]
"""
REGISTRY = "exchanges/registry.py"


def new_exchange(name: str, folder: Path, package: bool) -> list[Path]:
    """Write the four places of a venue into a checkout at ``folder``, or as a ``package`` of its
    own.

    Gives what was written. Raises ConfigError, with nothing written, for a bad name or a place that
    is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(
            f"{name!r} can't name an exchange: write small letters, digits and _, like mexc"
        )
    places = _package(name) if package else _checkout(name, folder)
    taken = [path for path in places if (folder / path).exists() and path != REGISTRY]
    if taken:
        raise ConfigError(f"{', '.join(taken)} in {folder} exists already: nothing was written")
    for path, text in places.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return [folder / path for path in places]


def _checkout(name: str, folder: Path) -> dict[str, str]:
    registry = folder / REGISTRY
    if not registry.is_file():
        raise ConfigError(
            f"{folder} is no checkout of Trochil (no {REGISTRY}): go to one, or add --package DIR"
        )
    known = registry.read_text()
    line = f'    "{name}": "exchanges.{name}:{name.upper()}",\n'
    if f'"{name}"' in known:
        raise ConfigError(f"{REGISTRY} has a line for {name} already: nothing was written")
    return {
        f"exchanges/{name}.py": template("adapter", name),
        REGISTRY: known.replace("BUILT_IN = {\n", "BUILT_IN = {\n" + line),
        f"trochil/sandbox/dialects/{name}.py": template("dialect", name),
        f"exchanges/vectors/{name}.json": vectors(name),
    }


def _package(name: str) -> dict[str, str]:
    return {
        "pyproject.toml": named(PROJECT, name),
        f"trochil_{name}/__init__.py": "",
        f"trochil_{name}/adapter.py": template("adapter", name),
        f"trochil_{name}/dialect.py": template("dialect", name),
        f"trochil_{name}/vectors/{name}.json": vectors(name),
    }


def template(which: str, name: str) -> str:
    """The adapter or the dialect of the made-up venue, under a name."""
    return named(files("trochil").joinpath("templates", f"{which}.txt").read_text(), name)


def named(text: str, name: str) -> str:
    title = "".join(part.capitalize() for part in name.split("_"))
    return text.replace("@name@", name).replace("@Name@", title).replace("@NAME@", name.upper())


def vectors(name: str) -> str:
    """A signature of the made-up venue, where its published ones belong."""
    url = f"https://api.{name}.example/orders?symbol=BTC_USDT"
    now = 1_700_000_000
    vector = {
        "source": (
            "made with the skeleton: put the vectors here that the venue publishes, "
            "and say where they stand"
        ),
        "keys": {"api_key": "key", "api_secret": "secret"},
        "http_method": "GET",
        "url": url.partition("?")[0],
        "params": {"symbol": "BTC_USDT"},
        "now": now,
        "expect": hmac_hex("secret", f"{now}000GET/orders?symbol=BTC_USDT"),
    }
    return json.dumps([vector], indent=2) + "\n"
