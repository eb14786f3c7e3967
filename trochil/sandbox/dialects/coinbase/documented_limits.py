"""What the venue counts of each address and key."""

from typing import Any

from aiohttp import web

from trochil.sandbox.request_limits import AnyStretch, Bucket, DocumentedLimits, Use


def uses_of(request: web.Request, body: Any) -> list[Use]:
    key = request.headers.get("CB-ACCESS-KEY", "")
    if not key:
        return [Use("public", 1, str(request.remote))]
    return [Use("fills" if request.path == "/fills" else "private", 1, key)]


LIMITS = DocumentedLimits(
    {
        "public": lambda: Bucket(15, 10.0),
        "private": lambda: Bucket(30, 15.0),
        "fills": lambda: Bucket(20, 10.0),
        "subscribing": lambda: Bucket(20, 8.0),
        "frames": lambda: AnyStretch(100, 1.0),
    },
    uses_of,
)
