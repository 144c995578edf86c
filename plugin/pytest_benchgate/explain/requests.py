"""Valgrind's client requests from Python: a few instructions that do nothing outside of valgrind.

valgrind.h and callgrind.h define them: four rotations that cancel out, then an instruction that has no effect, with a
register that points to the request. They are put into a page of memory, so that nothing has to be compiled. To count
exactly one call, the page's code itself calls PyObject_Call between two requests.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUNNING_ON_VALGRIND = 0x1001
CALLGRIND = ord("C") << 24 | ord("T") << 16
DUMP_STATS, ZERO_STATS, START_INSTRUMENTATION, STOP_INSTRUMENTATION = (CALLGRIND + offset for offset in (0, 1, 4, 5))


class Unsupported(Exception):
    """A machine on which there are no client requests, and why."""


@dataclass(frozen=True)
class Code:
    """Two functions, as machine code.

    Attributes
    ----------
    request : bytes
        ``uint64 request(uint64 *request_and_arguments, uint64 default)``
    counted : bytes
        ``void *counted(void **frame)``, where the frame holds two requests, a function and its three arguments: makes
        the first request, calls the function, makes the second request and returns what the function returned.

    """

    request: bytes
    counted: bytes


# rol rdi, 3; rol rdi, 13; rol rdi, 61; rol rdi, 51; xchg rbx, rbx: rdx = client_request(rax)
_X86_64 = bytes.fromhex("48c1c703 48c1c70d 48c1c73d 48c1c733 4887db")
# ror x12, x12, 3; ror x12, x12, 13; ror x12, x12, 51; ror x12, x12, 61; orr x10, x10, x10: x3 = client_request(x4)
_ARM64 = struct.pack("<5I", 0x93CC0D8C, 0x93CC358C, 0x93CCCD8C, 0x93CCF58C, 0xAA0A014A)
CODE = {
    "x86_64": Code(
        # mov rax, rdi; mov rdx, rsi; REQUEST; mov rax, rdx; ret
        request=bytes.fromhex("4889f8 4889f2") + _X86_64 + bytes.fromhex("4889d0 c3"),
        # push rbx; mov rbx, rdi; mov rax, [rbx]; xor edx, edx; REQUEST
        counted=bytes.fromhex("53 4889fb 488b03 31d2")
        + _X86_64
        # mov rdi, [rbx+24]; mov rsi, [rbx+32]; mov rdx, [rbx+40]; call [rbx+16]
        + bytes.fromhex("488b7b18 488b7320 488b5328 ff5310")
        # push rax; mov rax, [rbx+8]; xor edx, edx; REQUEST; pop rax; pop rbx; ret
        + bytes.fromhex("50 488b4308 31d2")
        + _X86_64
        + bytes.fromhex("58 5b c3"),
    ),
    "aarch64": Code(
        # mov x4, x0; mov x3, x1; REQUEST; mov x0, x3; ret
        request=struct.pack("<2I", 0xAA0003E4, 0xAA0103E3) + _ARM64 + struct.pack("<2I", 0xAA0303E0, 0xD65F03C0),
        # stp x29, x30, [sp, -32]!; str x19, [sp, 16]; mov x19, x0; ldr x4, [x19]; mov x3, 0; REQUEST
        counted=struct.pack("<5I", 0xA9BE7BFD, 0xF9000BF3, 0xAA0003F3, 0xF9400264, 0xD2800003)
        + _ARM64
        # ldr x16, [x19, 16]; ldr x0, [x19, 24]; ldr x1, [x19, 32]; ldr x2, [x19, 40]; blr x16
        + struct.pack("<5I", 0xF9400A70, 0xF9400E60, 0xF9401261, 0xF9401662, 0xD63F0200)
        # ldr x4, [x19, 8]; mov x3, 0; REQUEST
        + struct.pack("<2I", 0xF9400664, 0xD2800003)
        + _ARM64
        # ldr x19, [sp, 16]; ldp x29, x30, [sp], 32; ret
        + struct.pack("<3I", 0xF9400BF3, 0xA8C27BFD, 0xD65F03C0),
    ),
}


def machine() -> str:
    """Return this machine's architecture, as a key of CODE where it is one."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def check() -> None:
    """Raise Unsupported where there are no client requests on this machine."""
    if not sys.platform.startswith("linux"):
        raise Unsupported(f"valgrind is used on Linux only, and this is {sys.platform}")
    if machine() not in CODE or sys.maxsize < 2**32:
        bits = 64 if sys.maxsize > 2**32 else 32
        raise Unsupported(f"there are no client requests for {machine()} ({bits} bits), only for {' and '.join(CODE)}")


class Requests:
    """The client requests of this process.

    Raises
    ------
    Unsupported
        On another architecture, or where memory cannot be made executable.

    """

    def __init__(self) -> None:
        check()
        code = CODE[machine()]
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._page.write(code.request)
        self._page.seek(mmap.PAGESIZE // 2)
        self._page.write(code.counted)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        # Afterwards: memory that can be written and executed is forbidden on some systems, and arm64 synchronizes here.
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        if protect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_EXEC):
            raise Unsupported(f"this system does not let memory be executable ({os.strerror(ctypes.get_errno())})")
        word = ctypes.c_uint64
        self._request = ctypes.CFUNCTYPE(word, ctypes.c_void_p, word)(address)
        # Of the kind that holds the GIL and raises what the call has raised.
        self._counted = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(address + mmap.PAGESIZE // 2)
        self._py_object_call = ctypes.cast(ctypes.pythonapi.PyObject_Call, ctypes.c_void_p).value or 0

    def request(self, number: int) -> int:
        """Make a request that has no arguments; return its result, 0 outside of valgrind."""
        block = _block(number)
        return int(self._request(ctypes.addressof(block), 0))

    def running_on_valgrind(self) -> bool:
        """Return whether this process runs under valgrind."""
        return self.request(RUNNING_ON_VALGRIND) > 0

    def counted(
        self, first: int, last: int, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Return what a function returns that is called between two requests, with nothing else between them."""
        requests = _block(first), _block(last)
        named = dict(kwargs)
        frame = (ctypes.c_uint64 * 6)(
            *map(ctypes.addressof, requests), self._py_object_call, id(function), id(args), id(named) if named else 0
        )
        return self._counted(ctypes.addressof(frame))


def _block(number: int) -> ctypes.Array[ctypes.c_uint64]:
    """Return a request, with its five arguments, which are 0."""
    return (ctypes.c_uint64 * 6)(number)
