"""Port scans on a virtual clock: every port right, in order, and no faster than the path carries."""

from __future__ import annotations

import errno
import gc
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internet import Report, Scenario, VirtualProber, network, trace
from tracetcp.config import TraceConfig
from tracetcp.engine import UNBOUNDED
from tracetcp.engine.run_state import RunState
from tracetcp.engine.scan.attempts import Port
from tracetcp.engine.scan.port_scan import MOST_ATTEMPTS, ScanEngine
from tracetcp.model import Outcome, PortScanned, Reply, ReplyKind, SendFailure

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from tracetcp.model import Probe

OPEN = frozenset({22, 80, 443, 999})


def scan(
    path: Scenario,
    ports: range = range(1, 1001),
    pings: int = 1,
    timeout: float = 4.0,
    capacity: int = UNBOUNDED,
    *,
    anti_flood: bool = True,
) -> Report:
    options = {"start_hop": 128, "max_hops": 1, "anti_flood": anti_flood}
    config = TraceConfig(host="h", ports=ports, pings=pings, timeout=timeout, **options)  # type: ignore[arg-type]
    return trace(path, config, capacity=capacity)


def host(settings: str = "", rtt: float = 2, **options: object) -> Scenario:
    """A host two hops away with the open ports of this file; ``settings`` as in the notation."""
    return network(f"1 2 | rtt {rtt} | open 22,80,443,999 {settings}", **options)


def silent_too(ports: Iterable[int]) -> str:
    """The setting that makes a host keep silent about ``ports``."""
    return "| silent " + ",".join(map(str, ports))


def wrong(report: Report, silent: Container[int] = frozenset()) -> list[int]:
    """The ports whose outcome is not the truth: ``silent``, or open as in this file, or else closed."""
    return [
        port
        for port, outcome in report.outcomes.items()
        if outcome
        is not (Outcome.NOT_REACHED if port in silent else Outcome.OPEN if port in OPEN else Outcome.CLOSED)
    ]


def test_every_port_of_a_plain_host_is_right_in_order_and_asked_once() -> None:
    report = scan(host())
    assert wrong(report) == []
    assert list(report.outcomes) == list(range(1, 1001))
    assert len(report.prober.sent) == 1000
    assert {probe.ttl for _, probe in report.prober.sent} == {128}


class LateProber(VirtualProber):
    """Tells at the next call what came of several probes, as one does that sends them in the background."""

    def __init__(self, path: Scenario) -> None:
        super().__init__(path)
        self._untold: list[tuple[Probe, float | SendFailure]] = []

    def send_all(self, probes: Sequence[Probe]) -> Iterator[tuple[Probe, float | SendFailure]]:
        told, self._untold = self._untold, list(super().send_all(probes))
        if len(probes) == 1:
            told, self._untold = self._untold, told
        return iter(told)


@pytest.mark.parametrize("loss", [0.0, 0.02])
def test_a_prober_that_tells_later_when_probes_left_changes_nothing(loss: float) -> None:
    config = TraceConfig(host="h", ports=range(1, 2001), start_hop=128, max_hops=1, pings=3)
    reports = [Report(prober(host(loss=loss)), config) for prober in (VirtualProber, LateProber)]
    assert wrong(reports[1]) == []
    assert reports[1].lines() == reports[0].lines()
    assert reports[1].seconds == reports[0].seconds


def test_rows_stream_while_the_scan_runs() -> None:
    report = scan(host())
    first_row = next(at for at, event in report.events if hasattr(event, "hop"))
    assert first_row < report.seconds / 4


@pytest.mark.parametrize("seed", range(5))
def test_two_percent_loss_each_way_costs_no_port(seed: int) -> None:
    report = scan(host(loss=0.02, seed=seed), range(1, 5001), pings=3)
    assert wrong(report) == []
    assert report.seconds < 5


def test_silent_ports_are_asked_twice_and_cost_little_time() -> None:
    silent = range(1, 4001, 4)
    report = scan(host(silent_too(silent)), range(1, 4001), timeout=0.5)
    assert wrong(report, silent) == []
    assert len(report.prober.sent) == 5000
    assert report.seconds < 1.35


def test_a_bottleneck_is_filled_and_not_flooded() -> None:
    report = scan(host(bottleneck={"rate": 10_000, "queue": 100}), range(1, 10_001), pings=3)
    assert wrong(report) == []
    assert report.seconds < 1.5
    assert len(report.prober.sent) < 10_500


@pytest.mark.repeats
@pytest.mark.parametrize("queue", [20, 60, 110])
def test_a_burst_lost_in_a_queue_too_short_to_be_seen_is_paid_once(queue: int) -> None:
    path = host(rtt=20, bottleneck={"rate": 10_000, "queue": queue})
    report = scan(path, range(1, 20_001), pings=3)
    assert wrong(report) == []
    assert report.seconds < 2.6, "at 10,000 a second, two seconds and what the first burst cost"
    assert len(report.prober.sent) < 25_000


@pytest.mark.parametrize("rtt", [0.5, 20, 100])
@pytest.mark.parametrize("resets", [50, 200])
def test_a_host_that_limits_its_resets_is_asked_no_faster_than_it_answers(rtt: float, resets: int) -> None:
    report = scan(host(f"| resets {resets}", rtt), range(1, 1001))
    assert wrong(report) == []
    assert report.seconds < 1.1 * (1000 - resets) / resets
    assert len(report.prober.sent) < 4000


def test_silent_ports_of_such_a_host_are_told_from_limited_ones() -> None:
    silent = range(1, 1001, 4)
    report = scan(host(f"| resets 200 {silent_too(silent)}", 10), range(1, 1001))
    assert wrong(report, silent) == []
    assert report.seconds < 7


@pytest.mark.repeats
def test_ports_that_are_silent_cost_such_a_host_nothing_and_soon_no_time() -> None:
    silent = {*range(601, 6001)} - OPEN
    report = scan(host(f"| resets 200 {silent_too(silent)}", 10), range(1, 6001))
    assert wrong(report, silent) == []
    assert report.seconds < 25, "at 200 a second the silent ports would take 108"


def test_without_pacing_such_a_host_gets_no_probe_beyond_those_asked_for() -> None:
    report = scan(host("| resets 200"), range(1, 1001), pings=2, timeout=0.5, anti_flood=False)
    assert all(attempts <= 2 for attempts in Counter(probe.port for _, probe in report.prober.sent).values())


@pytest.mark.parametrize("rtt", [2, 20])
def test_loss_of_half_the_answers_is_borne(rtt: float) -> None:
    """One seed in six has a port that is lost so often that its last attempts alone take 20 s."""
    report = scan(host(rtt=rtt, loss=0.3, seed=1), range(1, 3001))
    assert wrong(report) == []
    assert report.seconds < 15


def test_a_long_way_is_filled_by_a_growing_window() -> None:
    report = scan(host(rtt=20), range(1, 20_001))
    assert wrong(report) == []
    assert report.seconds < 1.5


def test_a_host_that_never_answers_gets_every_ping_and_the_whole_timeout() -> None:
    report = scan(network("1 2 | others silent"), range(1, 11), pings=2, timeout=0.5)
    assert set(report.outcomes.values()) == {Outcome.NOT_REACHED}
    assert len(report.prober.sent) == 20
    assert report.lines()[0] == "128 * *"
    assert report.seconds == pytest.approx(1.0)


def test_pings_lost_before_the_answer_are_stars() -> None:
    prober = VirtualProber(host())
    prober.failing = lambda probe: (
        SendFailure(errno.EPERM, "refused") if (probe.port, probe.attempt) == (80, 1) else None
    )
    options = {"start_hop": 50, "max_hops": 1, "pings": 3}
    report = Report(prober, TraceConfig(host="h", ports=range(79, 82), **options))  # type: ignore[arg-type]
    assert report.lines() == ["50 2 closed", "50 * 2 open", "50 2 closed"]
    records = report.finished[1].records
    assert [len(record.replies) for record in records] == [0, 1]


def test_routers_that_report_are_asked_for_every_ping() -> None:
    report = scan(network("1 2[unreachable 13 7] | rtt 2"), range(6, 9), pings=2)
    assert report.lines() == ["128 2 closed", "128 2 2 10.2.1.1 unreachable", "128 2 closed"]


def test_a_loop_on_the_way_shows_the_router_where_packets_die() -> None:
    report = scan(network("1 1", loop=1), range(80, 82), pings=2)
    assert report.lines() == ["128 1 1 10.2.1.1"] * 2
    assert set(report.outcomes.values()) == {Outcome.NOT_REACHED}


def test_a_syn_ack_that_follows_a_rst_wins_while_the_row_is_undecided() -> None:
    prober = VirtualProber(host("| silent 79"))

    def forge(probe: object) -> SendFailure | None:
        token = getattr(probe, "token", 0)
        if getattr(probe, "port", 0) == 80:
            prober.inject(Reply(token, ReplyKind.RST, prober.destination, prober.clock() + 0.001))
        return None

    prober.failing = forge
    options = {"start_hop": 128, "max_hops": 1, "pings": 1}
    report = Report(prober, TraceConfig(host="h", ports=range(79, 82), **options))  # type: ignore[arg-type]
    assert report.outcomes[80] is Outcome.OPEN


def test_duplicates_and_strangers_count_for_nothing() -> None:
    assert wrong(scan(host("| duplicates 2 | wrong_ack"))) == []


def test_without_anti_flood_only_the_prober_bounds_what_is_in_flight() -> None:
    report = scan(host("| silent 5"), capacity=10, anti_flood=False)
    assert wrong(report, {5}) == []
    assert sum(probe.port == 5 for _, probe in report.prober.sent) == 1


def test_ports_are_held_back_only_so_far_behind_a_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracetcp.engine.scan.port_scan.LONGEST_QUEUE", 20)
    report = scan(host("| silent 1"), range(1, 61))
    assert wrong(report, {1}) == []
    early = {probe.port for at, probe in report.prober.sent if at < 0.1}
    assert max(early) == 20


def test_ports_that_are_answered_are_let_go_of_though_the_windows_never_fill() -> None:
    """Or a scan of every port over a fast network takes 40 MB more."""
    config = TraceConfig(host="h", ports=range(1, 2001), start_hop=128, max_hops=1, pings=1)
    engine = ScanEngine(config, RunState(b"secret"), UNBOUNDED)
    now, rows = 0.0, 0
    while not engine.is_done:
        probes = engine.next_probes(now, 16)
        for probe in probes:
            engine.sent(probe, now)
            engine.receive(Reply(probe.token, ReplyKind.RST, "192.0.2.9", now + 0.0001))
        now += 0.0002
        engine.advance(now)
        rows += sum(isinstance(event, PortScanned) for event in engine.events())
        if rows == 1600:
            assert sum(isinstance(each, Port) for each in gc.get_objects()) <= 64
    assert rows == 2000


def test_when_only_repeated_attempts_are_answered_a_silent_port_gets_the_most() -> None:
    prober = VirtualProber(host("| silent 1"))
    prober.failing = lambda probe: (
        SendFailure(errno.EPERM, "refused") if probe.attempt == 1 and probe.port > 1 else None
    )
    options = {"start_hop": 128, "max_hops": 1, "pings": 2, "timeout": 0.5}
    report = Report(prober, TraceConfig(host="h", ports=range(1, 30), **options))  # type: ignore[arg-type]
    assert wrong(report, {1}) == []
    assert sum(probe.port == 1 for _, probe in prober.sent) == MOST_ATTEMPTS


def test_a_port_that_answers_while_it_waits_to_be_asked_again_is_not_asked() -> None:
    config = TraceConfig(host="h", ports=(80,), start_hop=128, max_hops=1, pings=2, timeout=0.5)
    engine = ScanEngine(config, RunState(b"secret"), UNBOUNDED)
    (probe,) = engine.next_probes(0.0, 64)
    engine.sent(probe, 0.0)
    engine.advance(0.5)
    engine.receive(Reply(probe.token, ReplyKind.RST, "203.0.113.80", 0.6))
    assert not engine.next_probes(0.6, 64)
    assert [type(event).__name__ for event in engine.events()][-1] == "PortScanned"
    assert engine.is_done


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 300),
    st.sampled_from([0.0, 0.05, 0.3]),
    st.frozensets(st.integers(1, 300)),
    st.integers(1, 3),
    st.floats(0.0, 400.0),
    st.sampled_from([None, 200.0, 5000.0]),
    st.sampled_from([0.0, 400.0]),
    st.booleans(),
)
def test_whatever_the_network_does_each_port_is_reported_once_in_order(
    count: int,
    loss: float,
    silent: frozenset[int],
    pings: int,
    rtt: float,
    rate: float | None,
    jitter: float,
    anti_flood: bool,
) -> None:
    slow = {} if rate is None else {"bottleneck": {"rate": rate}}
    destination = {"rtt": rtt, "jitter": jitter, "open": sorted(OPEN - silent), "silent": sorted(silent)}
    path = network("1 2", destination=destination, loss=loss, **slow)
    report = scan(path, range(1, count + 1), pings, 0.5, anti_flood=anti_flood)
    assert [row.port for row in report.hops()] == list(range(1, count + 1))
    assert all(outcome is Outcome.NOT_REACHED for port, outcome in report.outcomes.items() if port in silent)
    assert all(1 <= len(row.hop.pings) <= pings for row in report.hops())
