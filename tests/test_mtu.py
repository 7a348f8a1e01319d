"""``--mtu`` from the session to the text, on the virtual clock: one path for trace and connections."""

from __future__ import annotations

import json
import subprocess
import sys
from math import inf
from typing import TYPE_CHECKING

import pytest

from internet import VirtualProber, network
from internet.clock import VirtualClock
from internet.sessions import VirtualSessions
from tracetcp import Options, ProberError, TraceConfig, VerdictReached, app, open_session
from tracetcp.model import FailureKind
from tracetcp.model.verdict import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from internet.scenario import Scenario
    from tracetcp.model import Event
    from tracetcp.model.connection import Order

    Use = Callable[..., VirtualSessions]

TARGET = "203.0.113.80"
PATH = "1 5 10 | rtt 20"
HOLE = {"mtu": 1400, "quiet": True}
SAID = (
    "Verdict: Packets of more than 1400 bytes are lost after hop 2 (10.2.1.1), "
    "and no router says so. [certain]\n"
)


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
        monkeypatch.setattr("tracetcp.privileges.become_caller", lambda: None)
        monkeypatch.setattr("tracetcp.privileges.give_up_capabilities", lambda: None)
        monkeypatch.setattr("tracetcp.runner.SelectorWait", lambda _: wait)
        monkeypatch.setattr("tracetcp.dialogue.SelectorWait", lambda _: wait)
        return sessions

    return prepare


def events() -> Sequence[Event]:
    with open_session(TraceConfig(host=TARGET), Options(names=False, sizes=True)) as session:
        return [event for batch in session.batches() for event in batch.events]


def test_the_verdict_comes_last_and_holds_that_on_sizes(use: Use) -> None:
    use(hop_2=HOLE)
    told = events()
    last = told[-1]
    assert isinstance(last, VerdictReached)
    assert [verdict.kind for verdict in last.sizes] == [Kind.MTU_HOLE]
    assert sum(isinstance(event, VerdictReached) for event in told) == 1


def test_the_lines_follow_the_trace(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(hop_2=HOLE)
    assert app.main(["-n", "--mtu", TARGET]) == 0
    out = capsys.readouterr().out
    trace, _, rest = out.partition("Trace Complete.\n")
    assert rest.startswith(SAID + "Evidence: At hop 3 and at the host up to 1400 bytes were answered ")
    assert rest.count("\n") == 2
    use()
    assert app.main(["-n", TARGET]) == 0
    assert capsys.readouterr().out == trace + "Trace Complete.\n"


def test_they_come_after_the_verdict_on_the_trace(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(hop_2=HOLE)
    assert app.main(["-n", "-c", "-e", "--mtu", TARGET]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "Verdict" in line]
    assert lines[0].startswith("# Verdict: Port 80 is open at hop 4")
    assert lines[1:] == [f"# {SAID[:-1]}"]


@pytest.mark.parametrize(("flags", "kinds"), [("", ["mtu-whole"]), ("-e", ["open", "mtu-whole"])])
def test_json_has_them_among_the_verdicts(
    use: Use, capsys: pytest.CaptureFixture[str], flags: str, kinds: list[str]
) -> None:
    use()
    assert app.main(["-n", "--json", "--mtu", *flags.split(), TARGET]) == 0
    trace = json.loads(capsys.readouterr().out)
    assert [verdict["kind"] for verdict in trace["verdicts"]] == kinds


def test_a_closed_port_is_said_and_nothing_is_opened(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    sessions = use("1 5 | rtt 20 | closed 80")
    assert app.main(["-n", "--mtu", TARGET]) == 0
    assert "Nothing can be said about packet sizes: port 80 takes no connection." in capsys.readouterr().out
    assert sessions.opened == 0


def test_after_an_interruption_the_connections_are_closed_and_the_rows_stay(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = use(hop_2=HOLE, interrupt_at=0.6)
    assert app.main(["-n", "--mtu", "--json", TARGET]) == 130
    written = capsys.readouterr()
    assert json.loads(written.out)["verdicts"] == []
    assert written.err == "Trace interrupted.\n"
    assert sessions.opened > 0
    assert sessions.still_open == []


def test_an_interruption_of_the_trace_comes_before_any_connection(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = use(interrupt_at=0.002)
    assert app.main(["-n", "--mtu", TARGET]) == 130
    assert sessions.opened == 0
    assert "Verdict" not in capsys.readouterr().out


def test_what_ends_the_test_is_one_line(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(failing=lambda _: FailureKind.PERMANENT)
    assert app.main(["-n", "--mtu", TARGET]) == 3
    assert capsys.readouterr().err == "tracetcp: as the test wants it\n"


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_it_is_refused_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(ProberError, match="--mtu needs Linux"):
        events()


def test_without_the_flag_nothing_of_it_is_imported() -> None:
    code = (
        "import sys; from tracetcp.app import main; main(['-n', '-m', '1', '127.0.0.1:9']);"
        "late = [m for m in sys.modules if m.startswith('tracetcp') and ('.session.' in m"
        " or m.endswith(('.mtu', '.dialogue', '.words', '.sizes', '.connection')))];"
        "sys.exit(', '.join(late) or 0)"
    )
    command = [sys.executable, "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Trace Complete." in finished.stdout
    assert finished.returncode == 0, finished.stderr
