"""Floor 3: everything that touches a socket, a clock or Ray."""
