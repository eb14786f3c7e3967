"""Order books: messages, kernels, shared memory. No sockets, no Ray."""
