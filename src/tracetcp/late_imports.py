"""Modules that are loaded at their first use, however early somebody imports them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class LateModule(ModuleType):
    """Replaces a module for those who import it while it stands in ``sys.modules``: loads it at first use.

    Until ``open`` it answers for itself what ``answers`` has, by attribute; None is an attribute that does
    not exist. Unlike a module of ``importlib.util.LazyLoader`` it can be used from several threads at once.
    """

    def __init__(self, name: str, answers: Mapping[str, object] | None = None) -> None:
        super().__init__(name)
        self._answers = answers or {}

    def open(self) -> None:
        """From now on answer nothing without the module."""
        self._answers = {}

    def __getattr__(self, name: str) -> object:
        if name in self._answers:
            if (answer := self._answers[name]) is None:
                raise AttributeError(name)
            return answer
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


@contextmanager
def standing_in(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """Within the block, who imports one of ``modules`` that is not loaded yet is given it instead."""
    missing = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(missing)
    try:
        yield
    finally:
        for name, module in missing.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
