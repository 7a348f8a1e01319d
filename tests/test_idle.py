"""``--idle`` from the session to the text, on the virtual clock: one path for trace and connections."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

import pytest

from internet import VirtualProber, network
from internet.clock import VirtualClock
from internet.sessions import VirtualSessions
from tracetcp import Options, ProberError, TraceConfig, UsageError, VerdictReached, app, open_session
from tracetcp.model import FailureKind
from tracetcp.model.verdict import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from internet.scenario import Scenario
    from tracetcp.model import Event
    from tracetcp.model.connection import Order
    from tracetcp.model.silence import Waited

    Use = Callable[..., VirtualSessions]

TARGET = "203.0.113.80"
PORT = f"{TARGET}:5432"
PATH = "1 5 10 | rtt 20 | open 80,5432"
BOX = {"forgets": 300}
SAID = (
    "Verdict: A connection silent for 350 s is forgotten after hop 2 (10.2.1.1): what is said then is "
    "dropped. One silent for 60 s lives. [certain]\n"
)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Makes the run one through a network; Ctrl-C is pressed at ``interrupt_at`` on its clock."""

    def prepare(
        notation: str = PATH,
        interrupt_at: float = inf,
        port: int = 5432,
        failing: Callable[[Order], FailureKind | None] = lambda _: None,
        **table: object,
    ) -> VirtualSessions:
        scenario: Scenario = network(notation, **table)
        wait = VirtualClock(0.0, interrupt_at)
        prober = VirtualProber(scenario, wait=wait)
        sessions = VirtualSessions(scenario, wait=wait, failing=failing, port=port)
        monkeypatch.setattr("tracetcp.probers.open_prober", lambda *_: prober)
        monkeypatch.setattr("tracetcp.idle._open_prober", lambda *_: sessions)
        monkeypatch.setattr("tracetcp.mtu._open_prober", lambda *_: sessions)
        monkeypatch.setattr("tracetcp.privileges.become_caller", lambda: None)
        monkeypatch.setattr("tracetcp.privileges.give_up_capabilities", lambda: None)
        monkeypatch.setattr("tracetcp.runner.SelectorWait", lambda _: wait)
        monkeypatch.setattr("tracetcp.dialogue.SelectorWait", lambda _: wait)
        return sessions

    return prepare


def events(*silences: int, tell: Callable[[Waited], None] | None = None) -> Sequence[Event]:
    config = TraceConfig(host=TARGET, ports=(5432,))
    with open_session(config, Options(names=False, silences=silences)) as session:
        return [event for batch in session.batches(tell) for event in batch.events]


def test_the_verdict_comes_last_and_holds_that_on_silence(use: Use) -> None:
    use(hop_2=BOX)
    told = events(60, 350)
    last = told[-1]
    assert isinstance(last, VerdictReached)
    assert [verdict.kind for verdict in last.silence] == [Kind.FORGOTTEN]
    assert last.sizes == ()
    assert sum(isinstance(event, VerdictReached) for event in told) == 1


def test_the_lines_follow_the_trace(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(hop_2=BOX)
    assert app.main(["-n", "--idle", "60,350", PORT]) == 0
    out, err = capsys.readouterr()
    trace, _, rest = out.partition("Trace Complete.\n")
    assert rest.startswith(SAID + "Evidence: At hop 2 what is said expires as ever; ")
    assert rest.count("\n") == 2
    assert err == ""
    use()
    assert app.main(["-n", PORT]) == 0
    assert capsys.readouterr().out == trace + "Trace Complete.\n"


def test_a_day_is_nothing_here(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(hop_3={"forgets": 7200, "forgotten": "rst"})
    assert app.main(["-n", "-c", "-e", "--idle", "86400,3600", PORT]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "Verdict" in line]
    assert lines[1] == (
        f"# Verdict: After 86400 s of silence somebody after hop 3 (10.3.1.1) resets the connection; its TTL "
        f"shows that it is not {TARGET}. One silent for 3600 s lives. [certain]"
    )


def test_both_tests_may_follow_one_trace(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(port=80)
    assert app.main(["-n", "--mtu", "--idle", "3", "--json", TARGET]) == 0
    trace = json.loads(capsys.readouterr().out)
    assert [verdict["kind"] for verdict in trace["verdicts"]] == ["mtu-whole", "remembered"]


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ({"hop_2": BOX}, "forgotten"),
        ({"hop_2": BOX | {"forgotten": "rst"}}, "reset-after-idle"),
        ({"destination": {"open": [5432], "closes": 100}}, "closed-by-host"),
        ({}, "remembered"),
        ({"destination": {"open": [80]}}, "idle-unknown"),
    ],
)
def test_json_has_every_kind(
    use: Use, capsys: pytest.CaptureFixture[str], table: dict[str, object], kind: str
) -> None:
    use("1 5 10 | rtt 20", **({"destination": {"open": [5432]}} | table))
    app.main(["-n", "--json", "--idle", "60,350", PORT])
    assert [verdict["kind"] for verdict in json.loads(capsys.readouterr().out)["verdicts"]] == [kind]


def test_a_closed_port_is_said_and_nothing_is_opened(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    sessions = use("1 5 | rtt 20 | closed 5432")
    assert app.main(["-n", "--idle", "60", PORT]) == 0
    said = "Nothing can be said about silent connections: port 5432 takes no connection."
    assert said in capsys.readouterr().out
    assert sessions.opened == 0


def test_after_an_interruption_what_is_known_is_said_and_every_connection_closed(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = use(hop_2=BOX, interrupt_at=100)
    assert app.main(["-n", "--idle", "60,350", PORT]) == 130
    out, err = capsys.readouterr()
    assert out.endswith(
        "Verdict: A connection silent for 60 s still works. [certain]\n"
        "Evidence: The test ended before 350 s had gone by.\n"
    )
    assert err == "Trace interrupted.\n"
    assert sessions.opened > 6
    assert sessions.still_open == []


def test_an_interruption_before_the_first_age_says_that_nothing_is_known(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = use(interrupt_at=30)
    assert app.main(["-n", "--idle", "60,350", PORT]) == 130
    assert "silent connections: the test ended before 60 s had gone by." in capsys.readouterr().out
    assert sessions.still_open == []


def test_an_interruption_of_the_trace_comes_before_any_connection(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = use(interrupt_at=0.002)
    assert app.main(["-n", "--idle", "60", PORT]) == 130
    assert sessions.opened == 0
    assert "Verdict" not in capsys.readouterr().out


def test_what_ends_the_test_is_one_line(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(failing=lambda _: FailureKind.PERMANENT)
    assert app.main(["-n", "--idle", "60", PORT]) == 3
    assert capsys.readouterr().err == "tracetcp: as the test wants it\n"


# Whoever waits


def test_how_long_it_takes_is_told_every_second(use: Use) -> None:
    use()
    told: list[Waited] = []
    events(2, 5, tell=told.append)
    seconds = [each.seconds for each in told]
    assert seconds == sorted(seconds)
    assert all(later - earlier < 1.01 for earlier, later in pairwise(seconds))
    assert (round(seconds[0]), round(seconds[-1])) == (0, 5)
    assert {each.total for each in told} == {5}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("rows", [io.StringIO, Terminal])
def test_a_terminal_shows_it_and_is_left_clean(
    use: Use, monkeypatch: pytest.MonkeyPatch, rows: type[io.StringIO]
) -> None:
    use()
    out, err = rows(), Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    assert app.main(["-n", "--idle", "3", PORT]) == 0
    assert "\r\x1b[Ksilent for 2 of 3 s" in err.getvalue()
    assert err.getvalue().endswith("\r\x1b[K")
    assert out.getvalue().endswith("Verdict: A connection silent for 3 s still works. [certain]\n")


# Where it is refused


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_it_is_refused_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(ProberError, match="--idle needs Linux"):
        events(60)


@pytest.mark.parametrize(
    ("silences", "why"),
    [((0,), "silence 0 is out of range"), ((86_401,), "86401"), ((1, 2, 3, 4, 5), "5 silences are too many")],
)
def test_the_library_refuses_the_same(silences: tuple[int, ...], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        events(*silences)


def test_without_the_flag_nothing_of_it_is_imported() -> None:
    code = (
        "import sys; from tracetcp.app import main; main(['-n', '-m', '1', '127.0.0.1:9']);"
        "late = [m for m in sys.modules if m.startswith('tracetcp') and"
        " m.endswith(('.idle', '.silence', '.afterwards', '.dialogue'))];"
        "sys.exit(', '.join(late) or 0)"
    )
    command = [sys.executable, "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Trace Complete." in finished.stdout
    assert finished.returncode == 0, finished.stderr
