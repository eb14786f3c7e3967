"""Lines that tests want printed at the end of a run."""

LINES: list[str] = []
