"""The integer logistic map, ``x <- mu * x * (x + 1) mod p``, in Cython and OpenCL: exact, and benchmarked."""

import sys as _sys
from importlib.util import find_spec as _find_spec

if _find_spec("logmap_cy.rows.memoryview") is None:
    # Looking for it has imported this folder's rows, which a later import from another folder must not get.
    _sys.modules.pop("logmap_cy.rows", None)
    raise ImportError(
        f"logmap_cy is being imported from its source folder ({__path__[0]}), which has no compiled modules; "
        "if it is installed, run python -P or change to another folder (and run pytest, not python -m pytest); if not: "
        'pip install "meson-python>=0.17" "cython>=3.1" "numpy>=2.0" ninja && pip install --no-build-isolation -e .'
    )

from typing import TYPE_CHECKING

from logmap_cy._api import logmap
from logmap_cy._containers import logmap_buffer, logmap_list, logmap_scalar
from logmap_cy._registry import Implementation, implementations
from logmap_cy._state import release
from logmap_cy.chunks.asynchronous import logmap_async
from logmap_cy.chunks.calibrate import calibrate_chunk
from logmap_cy.opencl.device import Device
from logmap_cy.opencl.program import release as release_opencl

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """Return `__version__`: looking it up takes longer than importing all else but NumPy."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version

        return version("logmap-cy")


__all__ = [
    "Device",
    "Implementation",
    "calibrate_chunk",
    "implementations",
    "logmap",
    "logmap_async",
    "logmap_buffer",
    "logmap_list",
    "logmap_scalar",
    "release",
    "release_opencl",
]
