"""Compile the kernels once per machine, and load them.

The library is kept in the user's cache. Its name is a hash of the sources, the compiler's flags and
the processor, so that a change of any of them compiles it again.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

SOURCES: Final = tuple(
    Path(__file__).with_name(name)
    for name in (
        "alike.c",
        "areas.c",
        "bilinear.c",
        "direct.c",
        "kernels.c",
        "motion.c",
        "network.c",
        "optimizers.c",
        "pictures.c",
        "products.c",
        "single.c",
        "sweeps.c",
        "threads.c",
        "trees.c",
        "windows.c",
    )
)
HEADERS: Final = tuple(
    Path(__file__).with_name(name)
    for name in ("packing.h", "products.h", "rows.h", "threads.h", "vectors.h")
)
SWITCH: Final = "DQN_PORT_NATIVE"
"""The environment variable that turns the kernels off when it is 0."""

FLAGS: Final = ("-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC")
"""Nothing that lets the compiler change a number: no fast-math, no contraction."""

_LIBRARIES: Final = ("-pthread", "-lm")

_LIMIT_S: Final = 300

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_ssize_t
_INT, _FLOAT, _DOUBLE = ctypes.c_int, ctypes.c_float, ctypes.c_double
_SIGNATURES: Final = {
    "look_up_pairs": (_POINTER, _POINTER, _SIZE, _SIZE, _POINTER, _POINTER),
    "resample_rows": (_POINTER, *[_SIZE] * 4, *[_POINTER] * 4),
    "resample_columns": (_POINTER, *[_SIZE] * 3, *[_POINTER] * 4),
    "rectify": (_POINTER, _SIZE, _POINTER),
    "rectify_gradient": (_POINTER, _POINTER, _SIZE, _POINTER),
    "fold": (_POINTER, *[_SIZE] * 10, _POINTER, _POINTER),
    "place_planes": (_POINTER, *[_SIZE] * 5, _POINTER),
    "find_alive": (_POINTER, *[_SIZE] * 2, _POINTER),
    "sum_planes": (_POINTER, *[_SIZE] * 3, _POINTER),
    "sum_columns": (_POINTER, *[_SIZE] * 2, _POINTER),
    "saxpy": (*[_POINTER] * 2, _SIZE, _FLOAT),
    "centred_rmsprop": (*[_POINTER] * 4, _SIZE, *[_FLOAT] * 4),
    "neon_rmsprop": (*[_POINTER] * 3, _SIZE, *[_FLOAT] * 5),
    "shrink_bytes": (*[_POINTER] * 2, *[_SIZE] * 3, *[_POINTER] * 4),
    "lanes_of_a_panel": (),
    "sum_products": (*[_POINTER] * 2, _INT, *[_POINTER] * 5, _INT),
    "sum_direct": (_POINTER,) * 6,
    "rectify_rows": (*[_POINTER] * 2, *[_SIZE] * 2, *[_POINTER] * 2),
    "turn_lanes": (_POINTER, _INT, _POINTER, *[_SIZE] * 4, *[_POINTER] * 2),
    "number_pixels": (_POINTER, *[_SIZE] * 3, _POINTER),
    "sum_alike": (*[_POINTER] * 4, _INT, *[_POINTER] * 3, _INT),
    "set_threads": (_SIZE,),
    "allowed_threads": (_SIZE,),
    "spread_bytes": (_POINTER, _SIZE, _POINTER),
    "shrink_pair": (*[_POINTER] * 3, *[_SIZE] * 5, *[_POINTER] * 2, _SIZE, *[_POINTER] * 3),
    "find_windows": (_POINTER, *[_SIZE] * 5, *[_POINTER] * 2),
    "gather_windows": (_POINTER, _SIZE, _POINTER, _SIZE, _POINTER, *[_SIZE] * 2, _POINTER),
    "add_windows": (_POINTER, _SIZE, _POINTER, _SIZE, _POINTER, *[_SIZE] * 2, _POINTER),
    "add_rows": (_POINTER, _SIZE, _POINTER, _SIZE, _POINTER),
    "spread_windows": (_POINTER, *[_SIZE] * 3, _POINTER, *[_SIZE] * 2, _POINTER),
    "find_slots_double": (_POINTER, _SIZE, _POINTER, _SIZE, _POINTER),
    "find_slots_float": (_POINTER, _SIZE, _POINTER, _SIZE, _POINTER),
    "set_leaves_double": (*[_POINTER] * 2, *[_SIZE] * 2, *[_POINTER] * 2, _SIZE),
    "set_leaves_float": (*[_POINTER] * 2, *[_SIZE] * 2, *[_POINTER] * 2, _SIZE),
    "raise_double": (_POINTER, _SIZE, _DOUBLE, _POINTER),
    "raise_float": (_POINTER, _SIZE, _FLOAT, _POINTER),
    "stretch_luminance": (_POINTER, *[_SIZE] * 4, *[_POINTER] * 2),
    "shrink_rows": (_POINTER, *[_SIZE] * 5, *[_POINTER] * 2),
    "shrink_columns": (_POINTER, *[_SIZE] * 5, *[_POINTER] * 2),
    "sweep_values": (_POINTER, *[_SIZE] * 2, *[_POINTER] * 4, _DOUBLE, _POINTER),
    "rmsprop": (*[_POINTER] * 3, _SIZE, *[_FLOAT] * 3),
    "adam_moments": (*[_POINTER] * 3, _SIZE, *[_FLOAT] * 4, _POINTER),
    "adam_weights": (*[_POINTER] * 4, _SIZE, *[_FLOAT] * 3),
    "shrink_crop": (*[_POINTER] * 2, _SIZE, _POINTER, _DOUBLE, _POINTER),
}


@functools.cache
def kernels() -> ctypes.CDLL | None:
    """Return the compiled kernels; None if they are turned off or cannot be compiled."""
    compiler = shutil.which(os.environ.get("CC") or "gcc") or shutil.which("cc")
    if os.environ.get(SWITCH) == "0" or compiler is None:
        return None
    try:
        return _load(_folder() / f"kernels-{_fingerprint(compiler)}.so", compiler)
    except (OSError, subprocess.SubprocessError):
        return None


def set_threads(threads: int) -> None:
    """Let a kernel have so many threads."""
    library = kernels()
    if library is not None:
        library.set_threads(threads)


def _load(path: Path, compiler: str) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(path))
    except OSError:
        # It is not there yet, or damaged.
        _compile(path, compiler)
        library = ctypes.CDLL(str(path))
    for name, argtypes in _SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes, function.restype = argtypes, None
    library.lanes_of_a_panel.restype = ctypes.c_int
    library.allowed_threads.restype = library.sum_alike.restype = _SIZE
    library.find_windows.restype = _SIZE
    return library


def _folder() -> Path:
    """Return the user's cache; where that cannot be written, a folder for this process alone."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(base) if base else Path.home() / ".cache") / "dqn-port"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # What is loaded is run: another user must not be able to put it there.
        if folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):
        pass
    folder = Path(tempfile.mkdtemp(prefix="dqn-port-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _fingerprint(compiler: str) -> str:
    sources = [source.read_bytes() for source in (*SOURCES, *HEADERS)]
    parts = [*sources, " ".join((compiler, *FLAGS)).encode(), _processor()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> bytes:
    """Return what -march=native depends on; different machines may share a home."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return " ".join(platform.uname()).encode()
    keys = (b"model name", b"flags", b"Features", b"CPU part")
    return b"\n".join(sorted({line for line in lines if line.startswith(keys)}))


def _compile(path: Path, compiler: str) -> None:
    """Compile beside ``path`` and rename, as another process may do the same."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".kernels-") as folder:
        beside = Path(folder) / path.name
        subprocess.run(
            [compiler, *FLAGS, *map(str, SOURCES), "-o", str(beside), *_LIBRARIES],
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT_S,
        )
        beside.replace(path)
