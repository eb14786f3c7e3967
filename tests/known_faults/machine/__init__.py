"""Faults of the place where everything runs: clocks, proxies, disks, addresses."""
