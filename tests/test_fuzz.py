"""A short coverage-guided run of each fuzz target, and the corpus as ordinary tests.

A longer one: ``PYTHONPATH=src:tests .venv/bin/python -m fuzz ipv4 -max_total_time=600``.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.targets import TARGETS

TESTS = Path(__file__).parent
CORPUS = TESTS / "fuzz" / "corpus"
SECONDS = 3


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_is_parsed(target: str) -> None:
    samples = sorted((CORPUS / target).iterdir())
    assert samples
    for sample in samples:
        TARGETS[target](sample.read_bytes())


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no build for this Python"
)
@pytest.mark.parametrize("target", TARGETS)
def test_no_bytes_break_a_parser(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fuzz", target, f"-max_total_time={SECONDS}", "-max_len=600"]
    finished = subprocess.run(
        [*command, str(tmp_path), str(CORPUS / target)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert "DONE" in finished.stderr
