"""Politeness as a property: whatever the network and the flags, ``-e`` included.

The networks are hypothesis's, in the notation of ``internet.notation``, so a counterexample is a line to
paste into a test. Every run is on the virtual clock, and the examples are the same each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internet import Scenario, VirtualProber, network
from internet.report import SECRET
from tracetcp.config import TraceConfig
from tracetcp.engine import Engine, open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.engine.trace.ending import CONFIRMATION_TTL
from tracetcp.engine.trace.window import TTL_WINDOW
from tracetcp.explain.explaining import ExplainingEngine
from tracetcp.runner import run

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.repeats

IN_100_MS, IN_1_S = 3, 20
AT_SEVERAL_TTLS_IN_100_MS = TTL_WINDOW * IN_100_MS
"""Of a router that answers at several TTLs. That it is one is told by its second answer alone, and by then a
whole window of its TTLs may have been asked, each as often as a router is: no pacing can close this."""
AT_SEVERAL_TTLS_IN_1_S = IN_1_S + AT_SEVERAL_TTLS_IN_100_MS - IN_100_MS
"""In the second in which that happens."""
AT_DESTINATION = 5
"""SYNs that a host which answers gets of a default trace, where no probe has run far past it."""
BEHIND_A_LONG_LINK = 11
"""Where a last link takes longer than all before it: before the first answer from behind can come, the trace
has jumped a window ahead and looked at the last TTL. The goal is ``AT_DESTINATION`` here too."""
FAULTS = (
    "drop",
    "drop 80",
    "unreachable 13 80",
    "rst 80",
    "syn-ack 80",
    "injected rst 80",
    "injected syn-ack 80",
)
LONGEST = 14


class Net(NamedTuple):
    """A network: ``notation`` and further keys, as ``network()`` takes them."""

    notation: str
    table: dict[str, Any]

    def scenario(self) -> Scenario:
        return network(self.notation, **self.table)


def hop(draw: st.DrawFn, rtt: float, *, may_be_silent: bool = True) -> str:
    silent = "*" if may_be_silent and draw(st.integers(0, 3)) == 3 else ""
    marks = draw(st.sampled_from(("", "", "", "!", "!1", ":2", ":3", "~5", "=8")))
    return f"{silent}{rtt:g}ms{marks}"


def host(draw: st.DrawFn, rtt: float, *states: str) -> str:
    words = [
        draw(st.sampled_from(states)),
        f"rtt {rtt:g}",
        f"others {draw(st.sampled_from(['closed', 'silent']))}",
    ]
    words += draw(st.sampled_from(([], ["again linux"], ["again silent"], ["again rst"], ["once"])))
    words += draw(st.sampled_from(([], [], ["refuse_ttl 2"])))
    return " | ".join(words)


@st.composite
def any_networks(draw: st.DrawFn) -> Net:
    """Lengths, long links, silence, limits, loss, load sharing, a fault at most; a router has one TTL."""
    rtt, hops = 0.0, []
    for _ in range(draw(st.integers(1, LONGEST))):
        rtt += draw(st.sampled_from((0.5, 5, 20, 150)))
        hops.append(hop(draw, rtt))
    fault = draw(st.sampled_from(("", *FAULTS)))
    if fault:
        hops[draw(st.integers(0, len(hops) - 1))] += f"[{fault}]"
    end = host(draw, rtt + draw(st.sampled_from((0, 5))), "open 80", "closed 80", "silent 80", "down")
    table = {"seed": draw(st.integers(0, 9)), "loss": draw(st.sampled_from((0, 0, 0.02, 0.1)))}
    return Net(f"{' '.join(hops)} | {end}", table)


@st.composite
def returning_networks(draw: st.DrawFn) -> Net:
    """A router is met at several TTLs: in a loop, or where branches of other lengths join again.

    All answer, and without a limit: whoever does not say that it was met before is another one. (A router of
    a loop that limits its answers gets more today: 21 and 38 in ``network("5! 10", loop=1)``.)
    """
    step = draw(st.sampled_from((0.5, 5, 50)))
    rtts = [step * (place + 1) for place in range(draw(st.integers(3, LONGEST)))]
    if draw(st.booleans()):
        marks = st.sampled_from(("", "", "~5", "=8"))
        return Net(
            " ".join(f"{rtt:g}{draw(marks)}" for rtt in rtts), {"loop": draw(st.integers(1, len(rtts) - 1))}
        )
    path = [
        {"rtt": rtt, "address": f"10.{at}.1.1", "address6": f"fd00:{at}::1"} for at, rtt in enumerate(rtts, 1)
    ]
    left_out = draw(st.integers(1, 2))
    first = draw(st.integers(1, len(path) - left_out))
    shorter = [*path[:first], *path[first + left_out :]]
    return Net(
        " ".join(map(str, rtts)), {"seed": draw(st.integers(0, 9)), "hop": path, "route": [{"hop": shorter}]}
    )


@st.composite
def all_flags(draw: st.DrawFn) -> TraceConfig:
    """Anything but ``-F``, which asks for no politeness."""
    return TraceConfig(
        host="target",
        ports=draw(st.sampled_from(((80,), (80,), (80, 443), (80, 443, 22, 25)))),
        start_hop=draw(st.sampled_from((1, 1, 1, 2, 5))),
        max_hops=draw(st.sampled_from((30, 30, 3, 8, 16))),
        pings=draw(st.sampled_from((3, 3, 1, 2, 8))),
        timeout=draw(st.sampled_from((4.0, 0.5, 1.0))),
    )


def traced(net: Net, config: TraceConfig, family: int = 4, *, explain: bool = False) -> VirtualProber:
    """A whole run; what it sent."""
    prober, state = VirtualProber(net.scenario(), family), RunState(SECRET)

    def opened(each: TraceConfig) -> Engine:
        return open_engine(each, state, prober.capacity)

    engine = ExplainingEngine(config, prober.destination, opened, state) if explain else opened(config)
    for _ in run(engine, prober, wait=prober.wait):
        pass
    return prober


def repeatable(examples: int) -> Callable[[Any], Any]:
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None)


def most_at_routers(prober: VirtualProber) -> tuple[int, int]:
    """The most probes that one router got in a tenth of a second, and in a second."""
    meters = prober.counts.router.values()
    return max((m.in_100_ms for m in meters), default=0), max((m.in_1_s for m in meters), default=0)


@repeatable(120)
@given(any_networks(), all_flags(), st.sampled_from((4, 6)), st.booleans())
def test_no_router_is_asked_too_often(net: Net, config: TraceConfig, family: int, explain: bool) -> None:
    short, long = most_at_routers(traced(net, config, family, explain=explain))
    assert short <= IN_100_MS
    assert long <= IN_1_S


@repeatable(80)
@given(returning_networks(), all_flags(), st.sampled_from((4, 6)), st.booleans())
def test_nor_is_one_that_is_met_at_several_ttls(
    net: Net, config: TraceConfig, family: int, explain: bool
) -> None:
    short, long = most_at_routers(traced(net, config, family, explain=explain))
    assert short <= AT_SEVERAL_TTLS_IN_100_MS
    assert long <= AT_SEVERAL_TTLS_IN_1_S


@repeatable(80)
@given(any_networks(), all_flags(), st.booleans())
def test_no_probe_but_a_confirmation_goes_beyond_the_last_ttl_asked_for(
    net: Net,
    config: TraceConfig,
    explain: bool,
) -> None:
    ttls = {probe.ttl for _, probe in traced(net, config, explain=explain).sent}
    assert max(ttls - {CONFIRMATION_TTL}) <= config.last_ttl


@st.composite
def plain_networks(draw: st.DrawFn) -> Net:
    """Nothing in which probes run ahead: three silent hops in a row at most, no long link, jitter or loss."""
    rtt, hops, silent = 0.0, [], 0
    for _ in range(draw(st.integers(1, LONGEST))):
        rtt += draw(st.sampled_from((0.5, 2, 5, 10)))
        hops.append(hop(draw, rtt, may_be_silent=silent < 3).partition("~")[0])
        silent = silent + 1 if "*" in hops[-1] else 0
    end = host(draw, rtt + draw(st.sampled_from((0, 5))), "open 80", "closed 80")
    return Net(f"{' '.join(hops)} | {end}", {"seed": draw(st.integers(0, 9))})


def syns_at_destination(net: Net, family: int = 4) -> int:
    return sum(traced(net, TraceConfig(host="target"), family).counts.destination.values())


@repeatable(150)
@given(plain_networks(), st.sampled_from((4, 6)))
def test_a_host_that_answers_gets_few_syns_of_a_default_trace(net: Net, family: int) -> None:
    assert syns_at_destination(net, family) <= AT_DESTINATION


@repeatable(50)
@given(plain_networks(), st.sampled_from((60, 150, 400)))
def test_behind_a_long_link_it_gets_more_of_them(net: Net, link: int) -> None:
    path, state, rtt, *manners = net.notation.split(" | ")
    longer = f"rtt {float(rtt.removeprefix('rtt ')) + link:g}"
    assert (
        syns_at_destination(Net(" | ".join([path, state, longer, *manners]), net.table)) <= BEHIND_A_LONG_LINK
    )
