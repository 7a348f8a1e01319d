"""Modules that are loaded at their first use, however early somebody imports them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping


class LateModule(ModuleType):
    """Replaces a module for those who import it while it stands in ``sys.modules``: loads it at first use.

    While it stands in it answers for itself what ``answers`` has, by attribute; None is one that does not
    exist. The ``functions`` can be imported from it as well, and load the module when called. Its own names
    are such as no module has. Unlike a module of ``importlib.util.LazyLoader`` it can be used from several
    threads at once.
    """

    def __init__(
        self, name: str, answers: Mapping[str, object] | None = None, functions: Collection[str] = ()
    ) -> None:
        super().__init__(name)
        self._late_answers = dict(answers or {})
        if functions:
            self._late_answers["__path__"] = None  # which ``from ... import`` asks first: this is no package
            self._late_answers.update((name, self._late_function(name)) for name in functions)

    def late_is_out(self) -> None:
        """It stands in no longer."""
        self._late_answers.clear()

    def _late_function(self, name: str) -> Callable[..., object]:
        def call(*values: object, **named: object) -> object:
            return getattr(self._late_load(), name)(*values, **named)

        return call

    def __getattr__(self, name: str) -> object:
        if name in self._late_answers:
            if (answer := self._late_answers[name]) is None:
                raise AttributeError(name)
            return answer
        return getattr(self._late_load(), name)

    def _late_load(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            sys.modules.pop(self.__name__, None)
        return import_module(self.__name__)


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
            if isinstance(module, LateModule):
                module.late_is_out()
