"""The file of ``--picture``: checked before the run, written after it, whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tracetcp.errors import TracetcpError, UsageError
from tracetcp.model import VerdictReached

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetcp.model import AddressTexts, Event


class PictureFile:
    """Collects what a picture shows, and draws it into the file at ``path``.

    Raises ``UsageError`` where no file can be written there; what stands there stays until ``write``.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._judged: list[VerdictReached] = []
        self._beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        if self._path.is_dir():
            raise UsageError(f"--picture: {path} is a directory: name a file in it")
        try:
            with self._beside.open("x"):
                pass
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> UsageError:
        reason = os.strerror(error.errno or 0)
        return UsageError(f"--picture: {self._path} cannot be written ({reason}): name another file")

    def take(self, events: Iterable[Event]) -> None:
        """Remember what of ``events`` is drawn."""
        self._judged += [event for event in events if isinstance(event, VerdictReached)]

    def write(self, texts: AddressTexts) -> None:
        """Draw it, with the names and origins in ``texts``; nothing where no trace ended."""
        if not self._judged:
            return
        from tracetcp.formatters.picture import picture

        text = picture(self._path.suffix.lower(), self._judged, texts)
        try:
            self._beside.write_text(text, encoding="utf-8")
            self._beside.replace(self._path)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise TracetcpError(
                f"--picture: {self._path} takes no more ({reason}): make room, or name another file"
            ) from error

    def close(self) -> None:
        """Leave nothing but the picture."""
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)
