"""A run from Python: events on the virtual clock, real traces over loopback, the process left as it was."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from math import inf
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import tracetcp
from internet import VirtualProber, network
from tracetcp import (
    AddressTexts,
    Event,
    HopFinished,
    NameFound,
    NameNotFound,
    Options,
    OriginFound,
    Outcome,
    PortScanned,
    ProberError,
    ReplyKind,
    TraceConfig,
    TraceFinished,
    TraceStarted,
    VerdictReached,
    open_session,
    trace,
)
from tracetcp.names import Lookups, open_lookups
from tracetcp.names.lookups import LOOKUP_TIME, AddressLookup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    UseNetwork = Callable[..., "ClosableProber"]

TARGET = "203.0.113.80"
ONE, TWO, THREE = "10.1.1.1", "10.2.1.1", "10.3.1.1"
LIBRARY = Path(__file__).resolve().parents[1] / "docs/library.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", LIBRARY.read_text(encoding="utf-8"), re.DOTALL)


class ClosableProber(VirtualProber):
    """Knows whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


class LookupOnTheClock(AddressLookup):
    """Finds each text of ``texts`` at the instant given with it, on the clock of ``prober``; asks nobody."""

    def __init__(self, prober: VirtualProber, texts: Mapping[str, tuple[float, str]]) -> None:
        super().__init__()
        self._prober = prober
        self._texts = texts

    @property
    def found(self) -> Mapping[str, str]:
        now = self._prober.clock()
        return MappingProxyType({key: text for key, (at, text) in self._texts.items() if at <= now})

    def ask(self, address: str) -> None: ...

    def waits_until(self, address: str) -> float:
        at, _ = self._texts.get(address, (inf, ""))
        return at if self._prober.clock() < at < inf else -inf


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> UseNetwork:
    """Makes every run one through the network described.

    ``names`` and ``origins`` give by address when its text is found, and the text.
    """

    def prepare(
        notation: str,
        names: Mapping[str, tuple[float, str]] | None = None,
        origins: Mapping[str, tuple[float, str]] | None = None,
        interrupt_at: float = inf,
    ) -> ClosableProber:
        prober = ClosableProber(network(notation), interrupt_at=interrupt_at)

        def opened(*, names: bool, origins: bool, exact_origins: bool, warn: object) -> Lookups:
            return Lookups(
                LookupOnTheClock(prober, found_names) if names else None,
                LookupOnTheClock(prober, found_origins) if origins else None,
            )

        found_names, found_origins = names or {}, origins or {}
        monkeypatch.setattr("tracetcp.probers.open_prober", lambda *_: prober)
        monkeypatch.setattr("tracetcp.runner.SelectorWait", lambda _: prober.wait)
        monkeypatch.setattr("tracetcp.names.open_lookups", opened)
        return prober

    return prepare


def config(*ports: int, **options: object) -> TraceConfig:
    return TraceConfig(host=TARGET, ports=ports or (80,), **options)  # type: ignore[arg-type]


def told(events: Iterator[Event], *kinds: type) -> list[Event]:
    return [event for event in events if isinstance(event, kinds)]


def test_a_trace_is_its_events_in_order(use: UseNetwork) -> None:
    prober = use("1 10 | rtt 20")
    events = told(trace(config()), TraceStarted, HopFinished, TraceFinished)
    assert [type(event) for event in events] == [TraceStarted, *[HopFinished] * 3, TraceFinished]
    rows = [event.hop for event in events if isinstance(event, HopFinished)]
    assert [(row.ttl, row.senders) for row in rows] == [(1, (ONE,)), (2, (TWO,)), (3, (TARGET,))]
    assert rows[-1].final_reply is not None
    assert rows[-1].final_reply.kind is ReplyKind.SYN_ACK
    assert isinstance(events[-1], TraceFinished)
    assert events[-1].outcome is Outcome.OPEN
    assert prober.is_closed


def test_nothing_is_opened_before_the_first_event_is_wanted(use: UseNetwork) -> None:
    prober = use("1 10 | rtt 20")
    with closing(trace(config())) as events:
        assert not prober.sent
        assert isinstance(next(events), TraceStarted)
        assert prober.sent
        assert not prober.is_closed
    assert prober.is_closed
    assert list(events) == []


def test_a_scan_is_an_event_a_port(use: UseNetwork) -> None:
    use("1 | rtt 20 | open 80 | closed 81")
    scanned = told(trace(config(80, 81, start_hop=128, max_hops=1, pings=1)), PortScanned)
    outcomes = [(event.port, event.outcome) for event in scanned if isinstance(event, PortScanned)]
    assert outcomes == [(80, Outcome.OPEN), (81, Outcome.CLOSED)]


def test_names_and_origins_come_ahead_of_the_rows_that_waited_for_them(use: UseNetwork) -> None:
    use("1 10 | rtt 20", {ONE: (0.5, "gw.example"), TARGET: (0.0, "www.example")}, {TWO: (0.7, "AS64500")})
    events = told(trace(config(), origins=True), TraceStarted, HopFinished, NameFound, OriginFound)
    seen = [event if isinstance(event, NameFound | OriginFound) else type(event) for event in events]
    assert seen == [
        NameFound(TARGET, "www.example"),
        TraceStarted,
        NameFound(ONE, "gw.example"),
        HopFinished,
        OriginFound(TWO, "AS64500"),
        HopFinished,
        HopFinished,
    ]


def test_without_names_none_is_looked_up(use: UseNetwork) -> None:
    use("1 | rtt 20", {ONE: (0.5, "gw.example")}, {ONE: (0.5, "AS64500")})
    assert told(trace(config(), names=False), NameFound, OriginFound) == []


def test_a_sentence_has_the_names_that_its_rows_waited_for_and_no_later_one(use: UseNetwork) -> None:
    names = {TWO: (100.0, "fw.example"), THREE: (200.0, "late.example")}
    prober = use("1 10[drop 80] 20 30 | rtt 40", names)
    events = list(trace(config(80, 443, timeout=1.0, max_hops=5), explain=True))
    verdicts = [event for event in events if isinstance(event, VerdictReached)]
    first = verdicts[0]
    assert first.port == 80
    assert f"hop 2 ({TWO}, fw.example)" in first.verdicts[0].sentence
    assert first.evidence.names == {TWO: "fw.example"}
    assert prober.sent[-1].at < 100  # all was judged before the first name came
    assert verdicts[-1].evidence.names == {TWO: "fw.example", THREE: "late.example"}
    with pytest.raises(TypeError):
        first.evidence.names["203.0.113.1"] = "x"  # type: ignore[index]


def test_a_batch_has_what_was_known_when_it_was_decided(use: UseNetwork) -> None:
    use("1 10 | rtt 20", {ONE: (0.5, "gw.example")}, {TWO: (0.7, "AS64500")})
    with open_session(config(), Options(origins=True)) as session:
        batches = list(session.batches())
        assert (session.has_reached, session.is_silent, session.ports_done) == (True, False, 1)
        assert (session.destination, session.source) == (TARGET, "198.18.0.2")
        assert session.texts == batches[-1].texts
    assert batches[0].texts == AddressTexts()
    assert batches[-1].texts.of(ONE) == ["gw.example"]
    assert batches[-1].texts.of(TWO) == ["AS64500"]


def test_a_run_in_which_nothing_answers_says_so(use: UseNetwork) -> None:
    use("* | down")
    with open_session(config(max_hops=2, timeout=0.1)) as session:
        assert len(list(session.batches())) > 0
        assert (session.has_reached, session.is_silent) == (False, True)


def test_after_an_interrupt_what_was_decided_still_comes(use: UseNetwork) -> None:
    prober = use("1 * | down", {ONE: (0.9, "gw.example")}, interrupt_at=0.5)
    events = trace(config())
    rows = ((prober.clock(), event.hop.ttl) for event in events if isinstance(event, HopFinished))
    assert next(rows) == (0.5, 1)
    with pytest.raises(KeyboardInterrupt):
        next(rows)
    assert prober.is_closed


def test_branches_come_with_the_verdict_and_after_an_interrupt_as_far_as_they_are_known(
    use: UseNetwork,
) -> None:
    def found(interrupt_at: float) -> list[VerdictReached]:
        use("1 2:16 3 | rtt 4", interrupt_at=interrupt_at)
        seen: list[VerdictReached] = []
        with open_session(config(), Options(names=False, branches=95)) as session:
            try:
                for events, _ in session.batches():
                    seen += [event for event in events if isinstance(event, VerdictReached)]
            except KeyboardInterrupt:
                pass
            else:
                assert interrupt_at == inf
        return seen

    (whole,), (part,) = found(inf), found(0.3)
    assert whole.branches is not None
    assert part.branches is not None
    assert not whole.branches.is_cut_short
    assert part.branches.is_cut_short
    assert 2 < len(part.branches.nodes) < len(whole.branches.nodes)
    assert found(0.001) == []


def test_controls_are_no_flows_of_the_branches(use: UseNetwork) -> None:
    prober = use("1 2 3 4 5 | rtt 6 | others silent")
    with open_session(config(81), Options(names=False, explain=True, branches=95)) as session:
        events = [event for events, _ in session.batches() for event in events]
    (judged,) = (event for event in events if isinstance(event, VerdictReached))
    assert judged.branches is not None
    assert {sent.probe.port for sent in prober.sent} > {81}
    assert {node.address for node in judged.branches.nodes} <= {f"10.{n}.1.1" for n in range(1, 6)}


def test_evidence_without_explaining_sends_no_control(use: UseNetwork) -> None:
    prober = use("1 10[drop 80] 20 | rtt 40")
    with open_session(config(max_hops=4, timeout=1.0), Options(evidence=True)) as session:
        events = [event for events, _ in session.batches() for event in events]
    assert told(iter(events), VerdictReached)
    assert {sent.probe.port for sent in prober.sent} == {80}


def test_privileges_go_step_by_step_before_anything_is_read(
    use: UseNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    prober = use("1 | rtt 20")
    done: list[str] = []

    def doing(step: str, result: object) -> Callable[..., object]:
        def do(*_: object, **_named: object) -> object:
            done.append(step)
            return result

        return do

    monkeypatch.setattr("tracetcp.probers.open_prober", doing("prober", prober))
    monkeypatch.setattr("tracetcp.privileges.become_caller", doing("root", None))
    monkeypatch.setattr("tracetcp.privileges.give_up_capabilities", doing("capabilities", None))
    monkeypatch.setattr("tracetcp.pcap_file.PcapFile", doing("file", SimpleNamespace(tap=None, close=str)))
    monkeypatch.setattr(prober, "capture", lambda open_tap: open_tap())
    monkeypatch.setattr("tracetcp.names.open_lookups", doing("look-ups", Lookups()))
    open_session(config(), Options(drops_privileges=True, pcap="x")).close()
    assert done == ["prober", "root", "file", "capabilities", "look-ups"]
    open_session(config()).close()
    assert done[5:] == ["prober", "look-ups"]


def test_names_of_hosts_are_resolved_in_a_child_only_where_the_privileges_are_to_go(
    use: UseNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("1 | rtt 20")
    asked: list[str] = []

    def unprivileged(work: Callable[[], str]) -> str:
        asked.append(work())
        return asked[-1]

    monkeypatch.setattr("tracetcp.privileges.unprivileged", unprivileged)
    monkeypatch.setattr("tracetcp.privileges.become_caller", lambda: None)
    monkeypatch.setattr("tracetcp.privileges.give_up_capabilities", lambda: None)
    monkeypatch.setattr("tracetcp.names.resolving.resolve", lambda *_: TARGET)
    named = TraceConfig(host="www.example.com")
    open_session(named).close()
    assert asked == []
    open_session(named, Options(drops_privileges=True)).close()
    assert asked == [TARGET]


def test_errors_are_the_projects_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise NameNotFound("no such name")

    monkeypatch.setattr("tracetcp.names.resolving.resolve", fail)
    with pytest.raises(tracetcp.TracetcpError, match="no such name"):
        next(trace(TraceConfig(host="www.example.com")))
    for wrong in ({"pings": 0}, {"tos": 256}, {"mark": 0}):
        with pytest.raises(tracetcp.UsageError):
            TraceConfig(host=TARGET, **wrong)  # type: ignore[arg-type]


# Over loopback, for real


class RefusedProber:
    """Raw sockets where the system grants none."""

    def __init__(self, *_: object) -> None:
        raise PermissionError


@pytest.fixture(params=["as granted", "connect"])
def prober_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every prober that there is: the one that this user gets, and the one without privileges."""
    if request.param == "connect":
        monkeypatch.setattr("tracetcp.probers.raw.prober.RawProber", RefusedProber)
    return str(request.param)


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound, so that nobody takes it, and not listening."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def descriptors() -> set[str]:
    """Those of this process, once the look-ups of sessions that are closed have ended, as they do alone."""
    for thread in threading.enumerate():
        if thread.name == "tracetcp-dns":
            thread.join(LOOKUP_TIME + 10)
    listed = [path.name for path in Path("/proc/self/fd").iterdir()]
    return {name for name in listed if Path("/proc/self/fd", name).exists()}  # one was that of the listing


def process() -> tuple[object, ...]:
    """What of this process belongs to the caller."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    rights = [line for line in status.splitlines() if line.startswith(("Uid", "Gid", "Cap", "NoNewPrivs"))]
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGTERM)]
    return rights, handlers, gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()


@pytest.mark.usefixtures("prober_kind")
def test_a_real_trace_tells_open_from_closed_and_leaves_the_process_as_it_was(
    open_port: int, closed_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before, opened = process(), descriptors()
    outcomes = {}
    for event in trace(TraceConfig(host="127.0.0.1", ports=(open_port, closed_port))):
        if isinstance(event, TraceFinished):
            outcomes[event.port] = event.outcome
    assert outcomes == {open_port: Outcome.OPEN, closed_port: Outcome.CLOSED}
    assert process() == before
    assert descriptors() <= opened
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("prober_kind")
def test_a_trace_closed_early_leaves_no_descriptor_open(closed_port: int) -> None:
    opened = descriptors()
    with closing(trace(TraceConfig(host="127.0.0.1", ports=(closed_port,)), origins=True)) as events:
        next(events)
        assert descriptors() > opened
    assert descriptors() <= opened


@pytest.mark.usefixtures("prober_kind")
def test_traces_run_side_by_side_in_threads(open_port: int, closed_port: int) -> None:
    def outcome_of(port: int) -> list[Outcome]:
        events = trace(TraceConfig(host="127.0.0.1", ports=(port,)), names=False)
        return [event.outcome for event in events if isinstance(event, TraceFinished)]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(outcome_of, (open_port, closed_port))) == [[Outcome.OPEN], [Outcome.CLOSED]]


@pytest.mark.parametrize("prober_kind", ["connect"], indirect=True)
def test_what_a_run_without_privileges_lacks_is_told(
    prober_kind: str, closed_port: int, tmp_path: Path
) -> None:
    warnings: list[str] = []
    opened = descriptors()
    with pytest.raises(ProberError, match="--pcap needs raw sockets"):
        open_session(
            TraceConfig(host="127.0.0.1", ports=(closed_port,)),
            Options(pcap=str(tmp_path / "packets")),
            warnings.append,
        )
    assert len(warnings) == 1
    assert "without privileges" in warnings[0]
    assert descriptors() <= opened


@pytest.mark.parametrize("prober_kind", ["connect"], indirect=True)
@pytest.mark.parametrize(
    ("host", "timeout", "is_told"), [("127.0.0.1", 4.0, True), ("127.0.0.1", 0.5, False)]
)
def test_where_late_replies_are_lost_that_is_told(
    prober_kind: str, host: str, timeout: float, is_told: bool
) -> None:
    warnings: list[str] = []
    open_session(TraceConfig(host=host, timeout=timeout), warn=warnings.append).close()
    assert ["replies later than 0.9 s" in warning for warning in warnings] == [is_told]


# The package


def test_importing_the_package_imports_none_of_its_modules() -> None:
    code = "import sys, tracetcp; print([m for m in sys.modules if m.startswith('tracetcp.')])"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout == "[]\n"


def test_every_public_name_is_there_and_no_other() -> None:
    for name in tracetcp.__all__:
        assert name == "Event" or getattr(tracetcp, name).__name__ == name
        assert name in dir(tracetcp)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        tracetcp.nonsense  # type: ignore[attr-defined] # noqa: B018


def test_look_ups_are_opened_as_wanted() -> None:
    for names, origins in ((False, False), (True, False), (False, True), (True, True)):
        lookups = open_lookups(names=names, origins=origins)
        assert len(list(lookups)) == names + origins
        assert lookups.texts == AddressTexts()
        lookups.close()


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_documentation_works(
    example: str,
    use: UseNetwork,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("tracetcp.names.resolving.resolve", lambda *_: TARGET)
    use("1 10[drop 135] 20 | rtt 40 | open 80", {TWO: (0.5, "fw.example")})
    if "import pytest" in example:
        file = tmp_path / "test_example.py"
        file.write_text(example, encoding="utf-8")
        assert pytest.main(["-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(file)]) == 0
    else:
        exec(compile(example, str(LIBRARY), "exec"), {"__name__": "example"})  # noqa: S102 - ours
    out = capsys.readouterr().out
    told = ONE, f"80 open certain Port 80 is open at hop 4 ({TARGET})", "open: 80\n", "2 passed"
    assert any(each in out for each in told), out


def test_the_errors_of_the_documentation_are_all_that_there_are() -> None:
    table = LIBRARY.read_text(encoding="utf-8").partition("| error |")[2].partition("\n\n")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    public = {name: getattr(tracetcp, name) for name in tracetcp.__all__ if name != "Event"}
    types = {name for name, thing in public.items() if isinstance(thing, type)}
    assert named == {name for name in types if issubclass(public[name], Exception)} - {"TracetcpError"}


def test_an_event_loop_goes_on_while_threads_trace(prober_kind: str, closed_port: int) -> None:
    """Were a trace run by the loop itself, no turn would be counted."""
    config = TraceConfig(host="127.0.0.1", ports=(closed_port,))

    async def both() -> int:
        turns = 0
        work = (asyncio.to_thread(lambda: list(trace(config, names=False))) for _ in range(3))
        task = asyncio.gather(*work)
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        ends = [events[-1] for events in await task]
        assert all(isinstance(end, TraceFinished) and end.outcome is Outcome.CLOSED for end in ends)
        return turns

    assert asyncio.run(both()) > 1


@pytest.mark.slow
def test_mypy_accepts_the_examples(tmp_path: Path) -> None:
    files = [tmp_path / f"example_{number}.py" for number in range(len(EXAMPLES))]
    for path, example in zip(files, EXAMPLES, strict=True):
        path.write_text(example, encoding="utf-8")
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import tracetcp\ntracetcp.trace('www.example.com')\ntracetcp.nonsense\n", encoding="utf-8"
    )
    finished = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", *map(str, files), str(wrong)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(LIBRARY.parents[1] / "src")},
    )
    errors = [line for line in finished.stdout.splitlines() if ": error: " in line]
    assert len(errors) == 2, finished.stdout
    assert all(line.startswith("wrong.py:") for line in errors)
