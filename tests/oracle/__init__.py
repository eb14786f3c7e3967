"""Books against the venue's own ledger, under faults that are drawn from a seed."""
