"""Floor 1: pure book state. No sockets, no clock, no Ray; the only I/O is the shared mapping."""
