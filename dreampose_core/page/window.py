"""Where files of a library can be fetched by who knows the address."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SECRET = secrets.token_bytes(16)  # makes the addresses unguessable


@dataclass(frozen=True)
class Window:
    """Copies of a library's files in a folder that the page serves, under addresses that nobody can guess.

    served: the address of a file of that folder.
    """

    folder: Path
    served: Callable[[Path], str]

    def show(self, path: Path, name: str) -> str:
        """Make a file readable under a name; returns the copy's path, which stands for it on the page."""
        folder = self._place(path)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists():
            half = folder / f".{secrets.token_hex(4)}"
            shutil.copyfile(path, half)
            os.replace(half, folder / name)
        return str(folder / name)

    def address(self, path: Path, name: str) -> str:
        """Make a file readable under a name; returns where a browser finds it."""
        return self.served(Path(self.show(path, name)))

    def hide(self, path: Path) -> None:
        """Take a file back that may have been shown, unless it is gone."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._place(path), ignore_errors=True)

    def _place(self, path: Path) -> Path:
        stamp = f"{path}{path.stat().st_mtime_ns}".encode()
        return self.folder / hashlib.blake2b(stamp, key=SECRET, digest_size=20).hexdigest()
