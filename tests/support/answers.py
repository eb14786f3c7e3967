"""A venue's answer by REST, as tests of adapters make it."""

import json
from typing import Any

from exchanges.contract import Answer


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    """Of bytes as they are, of anything else as JSON."""
    return Answer(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())
