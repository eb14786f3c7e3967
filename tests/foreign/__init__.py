"""Clients that nobody here wrote, unpatched, against the sandbox.

* ``requirements/<environment>.txt``: what is installed into an environment of its own, pinned.
* ``clients/<client>.py``: a script that runs in that environment, without Trochil. It gets the
  sandbox by ``venue_side.Sandbox()`` and prints one JSON report at its end.
* ``test_<client>.py``: runs the script by ``running.run_client`` and judges the report.

A client whose addresses are settings runs against a sandbox on this machine. One whose addresses
are fixed runs in a network namespace: there, the venue's names lead to a sandbox with TLS, whose CA
the client is made to trust by the files and variables that are meant for it.
"""
