"""Lines that tests want said at the end of a run."""

LINES: list[str] = []
