"""``--say`` from the session to the text, on the virtual clock: one path for trace and connections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from math import inf
from typing import TYPE_CHECKING

import pytest

from internet import VirtualProber, network
from internet.clock import VirtualClock
from internet.sessions import VirtualSessions
from test_certificates import first_flight
from tracetcp import (
    Options,
    ProberError,
    Say,
    TraceConfig,
    UsageError,
    VerdictReached,
    app,
    open_session,
)
from tracetcp.model import FailureKind
from tracetcp.model.verdict import Kind
from tracetcp.say import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from internet.scenario import Scenario
    from tracetcp.model import Event
    from tracetcp.model.connection import Order

    Use = Callable[..., VirtualSessions]

TARGET = "203.0.113.80"
PATH = "1 5 10 | rtt 20"
LONG_PATH = "1 5 10 12 14 16 | rtt 20"
SAY = ["--say", "http:blocked.example"]
BLOCK = {"words": {"text": "blocked"}}
SAID = "Verdict: An HTTP request for blocked.example is dropped after hop 2 (10.2.1.1). [certain]\n"


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Makes the run one through a network; Ctrl-C is pressed at ``interrupt_at`` on its clock."""

    def prepare(
        notation: str = PATH,
        interrupt_at: float = inf,
        failing: Callable[[Order], FailureKind | None] = lambda _: None,
        **table: object,
    ) -> VirtualSessions:
        scenario: Scenario = network(notation, **table)
        wait = VirtualClock(0.0, interrupt_at)
        prober = VirtualProber(scenario, wait=wait)
        sessions = VirtualSessions(scenario, wait=wait, failing=failing)
        monkeypatch.setattr("tracetcp.probers.open_prober", lambda *_: prober)
        monkeypatch.setattr("tracetcp.mtu._open_prober", lambda *_: sessions)
        monkeypatch.setattr("tracetcp.say._open_prober", lambda *_: sessions)
        monkeypatch.setattr("tracetcp.privileges.become_caller", lambda: None)
        monkeypatch.setattr("tracetcp.privileges.give_up_capabilities", lambda: None)
        monkeypatch.setattr("tracetcp.runner.SelectorWait", lambda _: wait)
        monkeypatch.setattr("tracetcp.dialogue.SelectorWait", lambda _: wait)
        return sessions

    return prepare


def events(say: Say, **options: object) -> Sequence[Event]:
    chosen = Options(names=False, say=say, **options)  # type: ignore[arg-type]
    with open_session(TraceConfig(host=TARGET), chosen) as session:
        return [event for batch in session.batches() for event in batch.events]


def test_the_verdict_comes_last_and_holds_that_on_words(use: Use) -> None:
    use(hop_2=BLOCK)
    told = events(Say("http", "blocked.example"))
    last = told[-1]
    assert isinstance(last, VerdictReached)
    assert [verdict.kind for verdict in last.words] == [Kind.WORD_DROPPED]
    assert last.sizes == ()
    assert sum(isinstance(event, VerdictReached) for event in told) == 1


def test_the_lines_follow_the_trace(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(hop_2=BLOCK)
    assert app.main(["-n", *SAY, TARGET]) == 0
    out = capsys.readouterr().out
    trace, _, rest = out.partition("Trace Complete.\n")
    assert rest.startswith(SAID + "Evidence: Hop 2 answers; beyond it ")
    assert rest.count("\n") == 2
    use()
    assert app.main(["-n", TARGET]) == 0
    assert capsys.readouterr().out == trace + "Trace Complete.\n"


def test_they_come_after_the_verdict_on_the_trace(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(hop_2=BLOCK)
    assert app.main(["-n", "-c", "-e", *SAY, TARGET]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "Verdict" in line]
    assert lines[0].startswith("# Verdict: Port 80 is open at hop 4")
    assert lines[1:] == [f"# {SAID[:-1]}"]


@pytest.mark.parametrize(("flags", "kinds"), [("", ["word-passes"]), ("-e", ["open", "word-passes"])])
def test_json_has_them_among_the_verdicts(
    use: Use, capsys: pytest.CaptureFixture[str], flags: str, kinds: list[str]
) -> None:
    use()
    assert app.main(["-n", "--json", *SAY, *flags.split(), TARGET]) == 0
    trace = json.loads(capsys.readouterr().out)
    assert [verdict["kind"] for verdict in trace["verdicts"]] == kinds


def test_sizes_are_tested_first_and_in_the_same_protocol(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = use(hop_2=BLOCK)
    assert app.main(["-n", "--json", "--mtu", "--say", "tls:blocked.example", TARGET]) == 0
    trace = json.loads(capsys.readouterr().out)
    assert [verdict["kind"] for verdict in trace["verdicts"]] == ["mtu-whole", "word-dropped"]
    said = [order.data for _, order in sessions.spoken]
    names = [at for at, data in enumerate(said) if b"blocked" in data]
    assert said[0][0] == 0x16
    assert names[0] > max(at for at, data in enumerate(said) if len(data) > 1000)


def test_explaining_says_nothing(use: Use) -> None:
    sessions = use(hop_2=BLOCK)
    assert app.main(["-n", "-e", TARGET]) == 0
    assert sessions.spoken == []


@pytest.mark.parametrize("words", ["http", "tls"])
def test_names_go_nowhere_unless_they_were_typed(use: Use, words: str) -> None:
    sessions = use()
    assert app.main(["-n", "--say", words, TARGET]) == 0
    said = b" ".join(order.data for _, order in sessions.spoken)
    assert said.count(b"example") == said.count(b"example.com") > 0


@pytest.mark.parametrize(
    ("host", "name"),
    [("b\u00fccher.example", "xn--bcher-kva.example"), ("x" * 70, "x" * 70), ("www.example", "www.example")],
)
def test_a_host_is_asked_for_as_it_stands_in_dns(host: str, name: str) -> None:
    assert prepare(Say("http"), host).script.asked_name == name


def test_a_file_is_said(use: Use, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "words.bin"
    file.write_bytes(b"EHLO blocked\r\n\x00\xff")
    sessions = use(hop_3=BLOCK)
    assert app.main(["-n", "--say", f"@{file}", TARGET]) == 0
    assert "Verdict: What words.bin holds (16 bytes) is dropped after hop 3" in capsys.readouterr().out
    assert file.read_bytes() in [order.data for _, order in sessions.spoken]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty: use 1 to 1208 bytes, which fit a segment"),
        (b"x" * 1209, "is longer than 1208 bytes: use 1 to 1208 bytes, which fit a segment"),
        (None, "(No such file or directory): name a file that you may read"),
    ],
)
def test_a_file_that_cannot_be_said_is_one_line_and_nothing_is_sent(
    use: Use,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
    complaint: str,
) -> None:
    use()
    monkeypatch.setattr("tracetcp.probers.open_prober", None)
    monkeypatch.setattr("tracetcp.names.resolving.resolve", None)
    file = tmp_path / "words.bin"
    if content is not None:
        file.write_bytes(content)
    assert app.main(["--say", f"@{file}", "www.example"]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert written.err.endswith(f"{complaint}\n")


def test_a_path_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--say", "@a\0b", "host"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_is_read_where_no_privilege_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(b"\r\n\xff")
    asked: list[str] = []

    def unprivileged(work: Callable[[], str]) -> str:
        asked.append("here")
        return work()

    monkeypatch.setattr("tracetcp.privileges.unprivileged", unprivileged)
    say = Say("file", str(tmp_path / "words"))
    assert prepare(say, "host", without_privileges=True).script.asked == b"\r\n\xff"
    assert asked == ["here"]
    assert prepare(say, "host").script.asked == b"\r\n\xff"
    assert asked == ["here"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be somebody else")
def test_a_file_that_the_caller_of_sudo_may_not_read_is_not_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of root's")
    secret.chmod(0o600)
    monkeypatch.setenv("SUDO_UID", "65534")
    monkeypatch.setenv("SUDO_GID", "65534")
    with pytest.raises(UsageError, match="Permission denied"):
        prepare(Say("file", str(secret)), "host", without_privileges=True)


def test_who_answers_from_nearer_shows_his_certificate(
    use: Use, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that answers hellos as a server would."""
    sessions = use(LONG_PATH, hop_2={"words": {"text": "\x16", "does": "record"}})
    monkeypatch.setattr(sessions, "said_by_device", first_flight)
    assert app.main(["-n", "--say", "tls:blocked.example", TARGET]) == 0
    out = capsys.readouterr().out
    assert "somebody answers a TLS hello for blocked.example in place of 203.0.113.80, which is 7 hops" in out
    assert 'Its certificate is issued by "Corp CA", which this machine does not trust.' in out


def test_an_answer_without_a_certificate_is_told_without(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    use(LONG_PATH, hop_2={"words": {"text": "\x16", "does": "record"}})
    assert app.main(["-n", "--say", "tls:blocked.example", TARGET]) == 0
    out = capsys.readouterr().out
    assert "The answer is alert 80, internal error." in out
    assert "certificate" not in out


def test_a_closed_port_is_said_and_nothing_is_opened(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    sessions = use("1 5 | rtt 20 | closed 80")
    assert app.main(["-n", *SAY, TARGET]) == 0
    assert "Nothing can be said about words: port 80 takes no connection." in capsys.readouterr().out
    assert sessions.opened == 0


@pytest.mark.parametrize(("flags", "at", "kinds"), [([], 0.6, []), (["--mtu"], 0.75, ["mtu-whole"])])
def test_after_an_interruption_the_connections_are_closed_and_the_rows_stay(
    use: Use, capsys: pytest.CaptureFixture[str], flags: list[str], at: float, kinds: list[str]
) -> None:
    sessions = use(hop_2=BLOCK, interrupt_at=at)
    assert app.main(["-n", *SAY, *flags, "--json", TARGET]) == 130
    written = capsys.readouterr()
    assert [verdict["kind"] for verdict in json.loads(written.out)["verdicts"]] == kinds
    assert written.err == "Trace interrupted.\n"
    assert sessions.opened > 0
    assert sessions.still_open == []


def test_an_interruption_of_the_trace_comes_before_any_connection(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = use(interrupt_at=0.002)
    assert app.main(["-n", *SAY, TARGET]) == 130
    assert sessions.opened == 0
    assert "Verdict" not in capsys.readouterr().out


def test_what_ends_the_test_is_one_line(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(failing=lambda _: FailureKind.PERMANENT)
    assert app.main(["-n", *SAY, TARGET]) == 3
    assert capsys.readouterr().err == "tracetcp: as the test wants it\n"


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_it_is_refused_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(ProberError, match="--say needs Linux"):
        events(Say("tls"))


@pytest.mark.parametrize("seed", range(10))
def test_clean_paths_raise_no_alarm(use: Use, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    hops = " ".join(f"{2 * ttl}{'!' if (ttl + seed) % 4 == 0 else ''}" for ttl in range(1, 4 + seed))
    for words in ("tls:blocked.example", "http:blocked.example"):
        use(f"{hops} | rtt {30 + seed}", loss=0.01 * (seed % 3), seed=seed)
        assert app.main(["-n", "--json", "--say", words, TARGET]) == 0
        trace = json.loads(capsys.readouterr().out)
        assert [verdict["kind"] for verdict in trace["verdicts"]] == ["word-passes"]


def test_without_the_flag_nothing_of_it_is_imported() -> None:
    code = (
        "import sys; from tracetcp.app import main; main(['-n', '-m', '1', '127.0.0.1:9']);"
        "late = [m for m in sys.modules if m.startswith('tracetcp') and"
        " m.endswith(('.say', '.speech', '.words', '.certificates', '.answers'))];"
        "sys.exit(', '.join(late) or 0)"
    )
    command = [sys.executable, "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Trace Complete." in finished.stdout
    assert finished.returncode == 0, finished.stderr
