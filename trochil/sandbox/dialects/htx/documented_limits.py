"""What the venue counts of each address and key."""

from typing import Any

from aiohttp import web

from trochil.sandbox.request_limits import AnyStretch, DocumentedLimits, Use


def uses_of(request: web.Request, body: Any) -> list[Use]:
    key = request.query.get("AccessKeyId", "")
    if not key:
        return [Use("public", 1, str(request.remote))]
    if request.path.endswith("/place"):
        return [Use("place", 1, key)]
    if "cancel" in request.path.casefold():
        return [Use("cancel", 1, key)]
    return [Use("queries", 1, key)]


LIMITS = DocumentedLimits(
    {
        "public": lambda: AnyStretch(10, 1.0),
        "place": lambda: AnyStretch(100, 2.0),
        "cancel": lambda: AnyStretch(100, 2.0),
        "queries": lambda: AnyStretch(20, 2.0),
    },
    uses_of,
)
