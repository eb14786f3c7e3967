"""Handshakes; weight and unfilled orders are counted always (``limits``)."""

from trochil.sandbox.request_limits import AnyStretch, DocumentedLimits

LIMITS = DocumentedLimits({"connections": lambda: AnyStretch(300, 300.0)})
