"""Floor 2: what each venue says. Sans-IO: no sockets, no clock, no Ray, no logging."""
