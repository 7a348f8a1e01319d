"""``--diff`` through ``main``: files, exit status, text, JSON, and whatever else a file may hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from internet import network
from saved import saved
from tracetcp.app import main
from tracetcp.differences.reading import NoTrace, read_trace
from tracetcp.model.difference import Change
from tracetcp.saved_runs import SavedRuns

BASE = "1 5 9 13 | rtt 20 | open 443"
OPEN = saved(network(BASE), ports=(443,))
CLOSED = saved(network(BASE.replace("open", "closed")), ports=(443,))
SCHEMA = json.loads((files("tracetcp") / "schema-diff.json").read_text(encoding="utf-8"))
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "json.md"
EXAMPLE: dict[str, Any] = json.loads(OPEN)


def of_host(host: str, line: bytes = OPEN, **fields: object) -> bytes:
    trace = json.loads(line)
    trace["target"] |= {"host": host, **fields}
    return json.dumps(trace).encode() + b"\n"


class Run:
    """``main`` over two files that hold ``old`` and ``new``."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], folder: Path, old: bytes, new: bytes, *flags: str
    ) -> None:
        paths = [folder / "old.ndjson", folder / "new.ndjson"]
        for path, content in zip(paths, (old, new), strict=True):
            path.write_bytes(content)
        self.status = main([*flags, "--diff", *map(str, paths)])
        self.out, self.err = capsys.readouterr()
        self.err = self.err.replace(f"{folder}/", "")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    return lambda *arguments: Run(capsys, tmp_path, *arguments)


def test_equal_runs(run: Any) -> None:
    found = run(OPEN + of_host("b"), of_host("b") + b"\n" + OPEN)
    assert (found.status, found.out, found.err) == (0, "2 targets compared: no difference.\n", "")


def test_what_differs_is_told_target_by_target_in_the_order_of_the_old_file(run: Any) -> None:
    old = of_host("a") + of_host("gone") + of_host("2001:db8::9", address="2001:db8::9")
    new = of_host("new") + of_host("2001:db8::9", address="2001:db8::9") + of_host("a", CLOSED)
    found = run(old, new)
    assert (found.status, found.err) == (1, "")
    assert found.out == (
        "a:443 (203.0.113.80)\n"
        "  Port 443 was open at hop 5; now it is closed at hop 5. [certain]\n\n"
        "gone:443 (203.0.113.80)\n"
        "  It is in the old file only. [certain]\n\n"
        "new:443 (203.0.113.80)\n"
        "  It is in the new file only. [certain]\n\n"
        "4 targets compared: 3 differ.\n"
    )


def test_without_a_common_source_port_hops_are_not_compared_and_that_is_told(run: Any) -> None:
    other = saved(network(BASE), ports=(443,), source_ports_from=50_000)
    found = run(OPEN, other)
    assert found.status == 0
    assert found.out == (
        "1 target compared: no difference.\n"
        "The hops of 1 target were not compared: no source port is in both runs. "
        "Give both the same --source-port.\n"
    )


def test_one_of_one(run: Any) -> None:
    assert run(OPEN, CLOSED).out.endswith("\n1 target compared: 1 differs.\n")


def test_the_last_trace_of_a_target_counts(run: Any) -> None:
    assert run(OPEN + CLOSED, CLOSED).status == 0
    assert run(OPEN, CLOSED + OPEN).status == 0


def test_several_addresses_of_a_name_are_compared_each_with_itself(run: Any) -> None:
    both = of_host("a", address="192.0.2.1") + of_host("a", address="192.0.2.2")
    assert run(both, both).out == "2 targets compared: no difference.\n"
    moved = run(both, of_host("a", address="192.0.2.1") + of_host("a", address="192.0.2.3"))
    assert "The name led to 192.0.2.2; now it leads to 192.0.2.3" in moved.out
    more = run(of_host("a", address="192.0.2.1"), both)
    assert "a:443 (192.0.2.2)\n  It is in the new file only." in more.out
    split = run(both, of_host("a", address="192.0.2.8") + of_host("a", address="192.0.2.9"))
    assert split.out.count("file only") == 4


def failed(host: str, address: str | None = None, error: str = "a does not exist in DNS: look") -> bytes:
    fields = {"outcome": "not-traced", "error": error, "hops": [], "other_probes": []}
    return json.dumps(json.loads(of_host(host, address=address)) | fields).encode() + b"\n"


def test_a_name_that_is_no_longer_found_is_another_outcome(run: Any) -> None:
    gone = run(of_host("a"), failed("a"))
    assert gone.status == 1
    assert gone.out.startswith(
        "a:443\n  Port 443 was open at hop 5; now it is not traced: a does not exist in DNS."
    )
    assert gone.out.count("\n  ") == 1
    back = run(failed("a"), of_host("a"))
    assert "Port 443 was not traced: a does not exist in DNS; now it is open at hop 5." in back.out
    assert run(failed("a"), failed("a", error="timeout")).out == "1 target compared: no difference.\n"
    assert run(failed("a"), failed("a", "192.0.2.1")).status == 0
    unreachable = run(of_host("a", address="192.0.2.1"), failed("a", "192.0.2.1", "no route to 192.0.2.1: x"))
    assert "now it is not traced: no route to 192.0.2.1." in unreachable.out
    assert "now it is not traced. [certain]" in run(of_host("a"), failed("a", error="")).out


def test_both_addresses_of_a_name_that_is_no_longer_found_are_told(run: Any) -> None:
    both = of_host("a", address="192.0.2.1") + of_host("a", address="2001:db8::1")
    assert run(both, failed("a")).out.count("now it is not traced") == 2
    assert run(failed("a"), both).out.count("was not traced") == 2
    assert "in the new file only" in run(OPEN, OPEN + failed("a")).out


def test_what_resume_traced_takes_the_place_of_what_could_not_be_traced(run: Any) -> None:
    assert run(of_host("a"), failed("a") + of_host("a")).status == 0
    assert run(of_host("a"), of_host("a") + failed("a")).status == 1


def test_json_of_a_target_that_was_not_traced(run: Any) -> None:
    for address, other in ((None, of_host("a")), ("192.0.2.1", of_host("a", address="192.0.2.1"))):
        found = json.loads(run(failed("a", address), other, "--json").out)
        Draft202012Validator(SCHEMA).validate(found)
        assert (found["old"]["address"], found["old"]["outcome"]) == (address, "not-traced")
        assert found["hops_compared"] is False
        assert [each["kind"] for each in found["differences"]] == ["outcome"]


def test_json_has_an_object_a_target_and_a_schema(run: Any) -> None:
    found = run(of_host("a") + OPEN + of_host("gone"), OPEN + of_host("a", CLOSED) + of_host("new"), "--json")
    assert (found.status, found.err) == (1, "")
    objects = [json.loads(line) for line in found.out.splitlines()]
    validator = Draft202012Validator(SCHEMA)
    for each in objects:
        validator.validate(each)
    assert [(each["host"], [d["kind"] for d in each["differences"]]) for each in objects] == [
        ("a", ["outcome"]),
        ("target.example", []),
        ("gone", ["only-in-old"]),
        ("new", ["only-in-new"]),
    ]
    assert objects[1]["old"]["distance"] == 5
    assert (objects[1]["hops_compared"], objects[2]["hops_compared"]) == (True, False)


def test_the_schema_knows_every_kind_and_the_document_every_field() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    kinds = SCHEMA["$defs"]["difference"]["properties"]["kind"]["enum"]
    assert kinds == [change.value for change in Change]
    document = DOCUMENT.read_text(encoding="utf-8")
    fields = {*SCHEMA["properties"], *kinds}
    for definition in SCHEMA["$defs"].values():
        fields |= set(definition["properties"])
    assert {field for field in fields if f"`{field}`" not in document} == set()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no trace: write one with 'tracetcp --json'"),
        (b"\n\n", "holds no trace: write one with 'tracetcp --json'"),
        (OPEN + b"1\tx\n", "line 2: it is not JSON (Extra data at character 3); was it cut off?"),
        (OPEN + OPEN[:99], "line 2: it is not JSON (Unterminated string at character "),
        (b"\xff\xfe{\x00", "line 1: byte 1 is not UTF-8"),
        (b"[]", "line 1: it is not a JSON object"),
        (b"[" * 100_000, "line 1: it is nested too deeply for a trace"),
        (b"9" * 5000, "line 1: it is not JSON (a number has too many digits); was it cut off?"),
        (b"{}", "line 1: it is no trace: schema is missing"),
        (b'{"schema": 2}', "line 1: it is no trace: schema is not 1"),
        (b'{"schema": 1, "target": "x"}', "line 1: target is not a JSON object"),
    ],
)
def test_what_is_no_trace_is_told_with_file_line_and_reason(run: Any, content: bytes, said: str) -> None:
    found = run(OPEN, content)
    assert (found.status, found.out) == (2, "")
    assert found.err.startswith("tracetcp: new.ndjson")
    assert said in found.err
    assert found.err.count("\n") == 1


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("port",), "443", "port is not a number from 0 to 65535"),
        (("port",), True, "port is not a number"),
        (("outcome",), "reached", "outcome is not one of open, closed, unreachable, not-reached"),
        (("hops",), {}, "hops is not a list"),
        (("hops", 1), 7, "hops[1] is not a JSON object"),
        (("hops", 1, "ttl"), 256, "hops[1].ttl is not a number from 1 to 255"),
        (("hops", 1, "probes", 0, "changed"), [1], "hops[1].probes[0].changed is not a list of texts"),
        (("hops", 1, "probes", 0, "sender"), None, "hops[1].probes[0].sender is not a text"),
        (("target", "host"), 1, "target.host is not a text"),
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_named(
    path: tuple[Any, ...], value: object, said: str
) -> None:
    trace = json.loads(OPEN)
    holder = trace
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(NoTrace) as refused:
        read_trace(json.dumps(trace).encode())
    assert said in str(refused.value)


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(run: Any) -> None:
    assert run(b"\xef\xbb\xbf" + OPEN.replace(b"\n", b"\r\n"), OPEN).status == 0


def test_names_from_a_file_control_no_terminal(run: Any) -> None:
    found = run(of_host("a\x1b[2J\ud800\u202e\n"), of_host("b"))
    assert found.out.isascii()
    assert found.out.startswith("a\\x1b[2J\\ud800\\u202e\\n:443 (203.0.113.80)\n")
    json.loads(run(of_host("a\x1b\ud800"), of_host("b"), "--json").out.splitlines()[0])


def test_a_file_that_is_not_there_and_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_bytes(OPEN)
    assert main(["--diff", str(path), str(tmp_path / "not there")]) == 2
    assert capsys.readouterr().err.endswith(
        "not there cannot be read (No such file or directory): name a file that --json wrote\n"
    )
    assert main(["--diff", str(tmp_path), str(path)]) == 2
    assert capsys.readouterr().err.endswith(
        "cannot be read (Is a directory): name a file that --json wrote\n"
    )


def test_a_pipe_and_standard_input_are_read(tmp_path: Path) -> None:
    old = tmp_path / "old"
    os.mkfifo(old)
    writer = threading.Thread(target=old.write_bytes, args=(OPEN,))
    writer.start()
    program = Path(sys.executable).parent / "tracetcp"
    command = [str(program), "--diff", str(old), "-"]
    finished = subprocess.run(command, input=CLOSED, capture_output=True, check=False, timeout=30)
    writer.join()
    assert (finished.returncode, finished.stderr) == (1, b"")


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_bytes(OPEN)
    from tracetcp.errors import UnreadableRun

    with SavedRuns(str(path), str(path)) as runs:
        path.write_bytes(b"x" * len(OPEN))
        with pytest.raises(UnreadableRun, match="changed while it was read"):
            list(runs.comparisons())


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--diff", "a", "b", "host"], "--diff and a target exclude each other"),
        (["--diff", "a", "b", "-e"], "--diff and -e exclude each other"),
        (["-4", "--diff", "a", "b"], "--diff and -4 exclude each other"),
        (["--precision", "0", "--diff", "a", "b"], "--diff and --precision exclude each other"),
        (["--diff", "a", "b", "--check"], "--diff and --check exclude each other"),
        (["--diff", "-", "-"], "--diff names standard input twice"),
        (["--diff", "a"], "expected 2 arguments"),
    ],
)
def test_what_goes_with_diff_and_what_does_not(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_options_from_the_environment_are_those_of_traces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    path.write_bytes(OPEN)
    monkeypatch.setenv("TRACETCP_OPTIONS", "-n -t 500")
    assert main(["--diff", str(path), str(path)]) == 0
    assert capsys.readouterr().out == "1 target compared: no difference.\n"


def test_it_imports_neither_scapy_nor_dnspython_nor_sockets(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_bytes(OPEN)
    script = (
        f"import sys; from tracetcp.app import main; main(['--diff', {str(path)!r}, {str(path)!r}]);"
        "print(*sorted({'scapy', 'dns', 'socket', 'select', 'threading'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout == "1 target compared: no difference.\n\n"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_file_ends_in_anything_but_a_trace_or_a_reason(data: st.DataObject) -> None:
    trace = json.loads(OPEN)
    for _ in range(data.draw(st.integers(1, 3))):
        holder: Any = trace
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(holder[key], dict | list) and data.draw(st.booleans()):
                holder = holder[key]
                continue
            holder[key] = data.draw(JUNK)
            break
    line = json.dumps(trace).encode("utf-8")
    cut = data.draw(st.integers(1, len(line)))
    for each in (line, line[:cut]):
        try:
            read_trace(each)
        except NoTrace as error:
            assert str(error)  # noqa: PT017 - the other outcome is a trace
