"""Files that are whole or absent, and array files from strangers.

Writing goes to a temporary name in the same folder and is renamed at the end. Reading .npz and .npy looks at
the headers first: nothing is unpickled, and nothing beyond a stated size is decompressed.
"""

from __future__ import annotations

import math
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from pose_tools.errors import BadInput

# what zipfile and the .npy reader raise on damaged, encrypted or foreign files (RuntimeError: encrypted,
# NotImplementedError, one of its kind: a compression that is not known)
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, of the same ending; renamed at the end, removed on an error."""
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=f".part{path.suffix}")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays as a compressed .npz in one piece; returns the path."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    return Path(path)


def load_arrays(
    path: Path, limits: Mapping[str, int], optional: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """Read the named arrays of an .npz.

    limits: name -> most bytes of data that array may have once decompressed; names in `optional` may be
    absent. BadInput where the file or an array is not what it must be.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            for name, limit in limits.items():
                if f"{name}.npy" not in names:
                    if name not in optional:
                        raise BadInput(f"{path.name} has no array named {name}.")
                    continue
                with archive.open(f"{name}.npy") as member:
                    arrays[name] = _read_array(member, limit, path.name)
    except BadInput:
        raise
    except UNREADABLE as error:
        raise BadInput(f"{path.name} is not a readable .npz file.") from error
    return arrays


def load_array(path: Path, limit: int) -> np.ndarray:
    """Read one .npy of at most `limit` bytes of data; BadInput where it is something else."""
    try:
        with open(path, "rb") as file:
            return _read_array(file, limit, path.name)
    except BadInput:
        raise
    except UNREADABLE as error:
        raise BadInput(f"{path.name} is not a readable .npy file.") from error


def _read_array(file: BinaryIO, limit: int, name: str) -> np.ndarray:
    """One .npy stream of at most `limit` bytes of plain numbers or text."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise BadInput(f"{name} was written in a form of NumPy files that is not known.")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.kind not in "biufU":
        raise BadInput(f"{name} holds objects instead of plain numbers.")
    size = math.prod(shape) * dtype.itemsize
    if size > limit:
        raise BadInput(f"{name} is too large: {size >> 20} MB of data where {limit >> 20} MB are allowed.")
    data = file.read(size)
    if len(data) != size:
        raise BadInput(f"{name} is cut off.")
    return np.frombuffer(bytearray(data), dtype).reshape(shape, order="F" if fortran else "C")
