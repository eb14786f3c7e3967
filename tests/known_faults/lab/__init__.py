"""What these tests share. Parts of the project stand in the modules beside this one."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class NotJudged(Exception):
    """The test could not be set up: no word about the fault."""


def given(holds: Any, what: str) -> None:
    """Something that must hold before there is anything to judge; not the fault itself."""
    if not holds:
        raise NotJudged(what)


def raw(test: str, ending: str = "json") -> bytes:
    """The input beside a test: the same name with another ending."""
    return Path(test).with_suffix(f".{ending}").read_bytes()


def load(test: str) -> Any:
    return json.loads(raw(test))


def tried(work: Callable[[], Any]) -> tuple[Any, str]:
    """(result, "") or (None, what was raised). What is made one by one is made to its end."""
    try:
        result = work()
        return (list(result) if isinstance(result, Iterator) else result), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {str(error)[:160]}"


def until(condition: Callable[[], Any], within: float, every: float = 0.05) -> Any:
    """What ``condition`` gave as soon as it is true, or its last value after ``within`` seconds."""
    end = time.monotonic() + within
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(every)
    return value
