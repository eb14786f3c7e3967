"""Requests to a sandbox, signed by an adapter's own hand but free in what they ask."""

import json
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientResponse
from yarl import URL

from exchanges.contract import Exchange
from tests.support.served import Served


async def send(
    at: Served,
    exchange: Exchange,
    method: str,
    path: str,
    params: Mapping[str, str] | None = None,
    body: Any = None,
) -> tuple[ClientResponse, Any]:
    """The response, and its JSON."""
    auth = exchange.auth(at.account.keys)
    url = f"http://{at.host}{path}"
    ready = auth.generate_auth_dict(method, url, params or {}, body, now=time.time())
    sent = at.session.request(
        method,
        URL(ready["url"], encoded=True),
        data=ready["body"] or None,
        headers=ready["headers"],
    )
    async with sent as answer:
        return answer, json.loads(await answer.text())
