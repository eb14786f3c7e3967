"""What the venue counts of each address and key."""

from typing import Any

from aiohttp import web

from trochil.sandbox.request_limits import AnyStretch, Bucket, DocumentedLimits, Use


def uses_of(request: web.Request, body: Any) -> list[Use]:
    key = request.headers.get("API-Key", "")
    method = request.path.rpartition("/")[2]
    if not key:
        return [Use("public", 1, str(request.remote))]
    if method in ("AddOrder", "CancelOrder"):
        return []
    return [Use("counter", 2 if method in ("TradesHistory", "ClosedOrders") else 1, key)]


LIMITS = DocumentedLimits(
    {
        "public": lambda: Bucket(20, 1.0),
        "counter": lambda: Bucket(20, 0.5),
        "connections": lambda: AnyStretch(150, 600.0),
    },
    uses_of,
)
