"""The conformance suite that every adapter must pass.

``pytest --pyargs trochil.conformance -k NAME`` runs it for one venue.
"""
