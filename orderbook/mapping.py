"""A file in memory that costs no descriptor of its own; Python's mmap keeps a copy of one."""

import ctypes
import mmap
import os
import weakref

import numpy as np
import numpy.typing as npt

_libc = ctypes.CDLL(None, use_errno=True)
_map = _libc.mmap
_map.restype = ctypes.c_void_p
_map.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_unmap = _libc.munmap
_unmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_FAILED = ctypes.c_void_p(-1).value


def map_file(file: int, *, writable: bool) -> npt.NDArray[np.uint8]:
    """The bytes of an open file, shared with every process that maps it; unmapped with the last
    array that stands on them. The descriptor isn't needed any more.

    Raises OSError, and ValueError for an empty file.
    """
    size = os.fstat(file).st_size
    if size == 0:
        raise ValueError("the file is empty")
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    address = _map(None, size, protection, mmap.MAP_SHARED, file, 0)
    if address == _FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    memory = (ctypes.c_ubyte * size).from_address(address)
    # Not at the end of the process: others may still look.
    weakref.finalize(memory, _unmap, address, size).atexit = False
    found = np.frombuffer(memoryview(memory), np.uint8)
    found.flags.writeable = writable
    return found
