"""Order books: messages, kernels, shared memory. No sockets, no Ray."""

from orderbook.compile_cache import place_compile_cache

place_compile_cache()
