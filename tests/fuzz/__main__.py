"""``python -m fuzz TARGET [libFuzzer options]``: feed a parser with bytes that reach new code in it.

A target must return for any bytes; an exception is a finding. Inputs found once are kept in ``corpus``.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped, unused-ignore]

with atheris.instrument_imports(include=["tracetcp"]):
    from fuzz.targets import TARGETS

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
