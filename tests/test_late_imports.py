"""Modules loaded at their first use: what stands in for them, and what that leaves of the import of scapy."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from tracetcp.late_imports import LateModule, standing_in
from tracetcp.wire.scapy_start import LATE, LATE_IN_SCAPY, without_tables

MODULE = "wave"
"""One that nothing else imports."""


@pytest.fixture(autouse=True)
def _unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, MODULE, raising=False)


def test_a_late_module_is_loaded_at_its_first_use() -> None:
    late = LateModule(MODULE)
    with standing_in({MODULE: late}):
        import wave
    assert wave is late
    assert MODULE not in sys.modules
    assert late.Wave_read is sys.modules[MODULE].Wave_read


def test_a_late_module_can_be_used_while_it_stands_in() -> None:
    late = LateModule(MODULE)
    with standing_in({MODULE: late}):
        assert late.Wave_read
        loaded = sys.modules[MODULE]
    assert loaded is not late
    assert sys.modules[MODULE] is loaded


def test_a_late_module_says_of_an_attribute_that_does_not_exist_what_the_module_says() -> None:
    with pytest.raises(AttributeError, match="module 'wave' has no attribute 'nonsense'"):
        _ = LateModule(MODULE).nonsense


def test_a_late_module_answers_for_itself_while_it_stands_in() -> None:
    late = LateModule(MODULE, {"Wave_read": None, "Error": "an answer"})
    with standing_in({MODULE: late}):
        assert late.Error == "an answer"
        assert not hasattr(late, "Wave_read")
    assert MODULE not in sys.modules
    assert late.Error is sys.modules[MODULE].Error
    assert hasattr(late, "Wave_read")


def test_functions_can_be_imported_from_a_late_module_and_load_it_when_called() -> None:
    late = LateModule(MODULE, functions=["open"])
    with standing_in({MODULE: late}):
        from wave import open as opened

        assert sys.modules[MODULE] is late
        with pytest.raises(FileNotFoundError), opened("/nonexistent"):
            pass
        assert sys.modules[MODULE] is not late


def test_nothing_stands_in_for_a_module_that_is_loaded() -> None:
    with standing_in({"sys": ModuleType("sys")}):
        assert sys.modules["sys"] is sys


def test_a_trace_loads_no_module_that_only_the_rest_of_scapy_uses() -> None:
    code = (
        "import sys; from tracetcp import TraceConfig;"
        "from tracetcp.wire.templates import ipv4_template, syn;"
        "TraceConfig(host='127.0.0.1'); ipv4_template('127.0.0.1', '127.0.0.1', 1500, syn, 0);"
        "import tracetcp.engine.tokens;"
        "print(*sorted(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "scapy.layers.inet" in loaded
    late = {*LATE, *LATE_IN_SCAPY, "_hashlib", "ast", "dis"}
    if sys.version_info >= (3, 12):  # whose own dataclasses and importlib use these
        late -= {"inspect", "tempfile", "ast", "dis"}
    assert not loaded & late


def test_where_the_system_has_no_uname_platform_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.name", "nt")
    monkeypatch.delitem(sys.modules, "platform", raising=False)
    with without_tables():
        import platform as late

        assert isinstance(late, LateModule)
        assert late.release()
        assert sys.modules["platform"] is not late


def test_what_scapy_has_imported_late_still_works_for_it() -> None:
    code = (
        "from tracetcp.wire.templates import load_scapy; load_scapy(4);"
        "from scapy.config import conf; conf.ifaces.reload(); conf.route.resync();"
        "assert conf.route.route('127.0.0.1')[0] == 'lo';"
        "from scapy.layers.inet import IP, TCP; from scapy.utils import hexdiff;"
        "import inspect, scapy.fields, scapy.packet;"
        "print((IP() / TCP()).json());"
        "assert scapy.fields.inspect.currentframe is inspect.currentframe;"
        "assert inspect.signature(IP);"
        "hexdiff(b'one', b'two', algo='difflib')"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert '"dport": 80' in ran.stdout
