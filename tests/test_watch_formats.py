"""What a watch writes: lines, objects, the block of a terminal, OpenMetrics."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from prometheus_client import parser as prometheus
from prometheus_client.openmetrics import parser as openmetrics

from tracetcp.formatters.open_metrics import open_metrics
from tracetcp.formatters.watch_block import Look, WatchBlock, sparks
from tracetcp.formatters.watch_json import WatchJson
from tracetcp.formatters.watch_lines import WatchLines
from tracetcp.model import NO_TEXTS, AddressTexts, Outcome
from tracetcp.model.verdict import Certainty, Kind
from tracetcp.model.watching import (
    Asked,
    Cause,
    Heartbeat,
    LocalCause,
    LocalTrouble,
    LossChanged,
    PathChanged,
    PortState,
    RttChanged,
    Snapshot,
    StateChanged,
    TargetMoved,
    WatchedHop,
    WatchEnded,
    WatchEvent,
)

SCHEMA = json.loads((resources.files("tracetcp") / "schema.json").read_text(encoding="utf-8"))
TARGET = "203.0.113.80"
OPEN = PortState(Outcome.OPEN, Kind.OPEN, Certainty.CERTAIN, "Port 443 is open.", 9, TARGET)
PROXY = OPEN._replace(kind=Kind.PROXY, certainty=Certainty.LIKELY, hop=3)
BLOCKED = PortState(
    Outcome.NOT_REACHED, Kind.BLOCKED, Certainty.CERTAIN, "Port 443 is blocked.", 4, "10.3.1.1"
)
SILENT = BLOCKED._replace(kind=Kind.NO_ANSWER, certainty=Certainty.POSSIBLE, address=None)
NOWHERE = BLOCKED._replace(kind=Kind.INCONCLUSIVE, sentence="Inconclusive: no hop answered.", hop=None)
REJECTED = PortState(
    Outcome.UNREACHABLE,
    Kind.REJECTED,
    Certainty.CERTAIN,
    "Hop 4 (10.3.1.1) rejects port 443: No.",
    4,
    "10.3.1.1",
)
NO_ROUTE = LocalCause(Cause.NO_ROUTE, "no route to 203.0.113.80")
SLEPT = LocalCause(Cause.ASLEEP, "nothing was asked for 90 s", is_lasting=False)


def row(hop: int, *rtts: float | None, destination: bool = False, **more: Any) -> WatchedHop:
    seen = [rtt for rtt in rtts if rtt is not None]
    return WatchedHop(
        hop=hop,
        addresses=(TARGET if destination else f"10.{hop}.1.1",),
        is_destination=destination,
        asked=len(rtts),
        answered=len(seen),
        last=seen[-1] if seen else None,
        best=min(seen, default=None),
        average=sum(seen) / len(seen) if seen else None,
        worst=max(seen, default=None),
        jitter=0.001 if len(seen) > 1 else None,
        history=rtts,
    )._replace(**more)


SNAPSHOT = Snapshot(
    at=1000.0,
    started_at=0.0,
    state=OPEN,
    since=917.0,
    local=None,
    hops=(
        row(1, 0.001),
        row(2, None, None, is_silent=True)._replace(addresses=()),
        row(3, 0.004, None, is_limited=True)._replace(addresses=("10.3.1.1", "10.3.2.1")),
        row(9, 0.012, 0.014, None, 0.013, destination=True, loss=0.25),
    ),
    asked=4,
    answered=3,
    up=900.0,
    down=83.0,
    unknown=17.0,
    longest_outage=83.0,
    outages=1,
    path_changes=2,
)
DOWN = SNAPSHOT._replace(state=BLOCKED, outages=2, path_changes=1, unknown=0.0, up=20_000.0, down=40_000.0)
LOCAL = SNAPSHOT._replace(local=NO_ROUTE)
NOTHING = SNAPSHOT._replace(state=None, hops=(), asked=0, answered=0, outages=0, up=0.0, down=0.0)


def utc(instant: float) -> datetime:
    return datetime.fromtimestamp(1_764_014_400 + instant, UTC)


LINES: list[tuple[WatchEvent, str]] = [
    (StateChanged(67, 67, OPEN, None, 0.012, None), "OPEN at hop 9 (203.0.113.80), 12 ms"),
    (StateChanged(67, 67, OPEN._replace(hop=None), None, None, None), "OPEN"),
    (StateChanged(67, 67, OPEN, BLOCKED, 0.012, 83), "OPEN again at hop 9, down 83 s"),
    (StateChanged(67, 67, OPEN, BLOCKED, None, 1200), "OPEN again at hop 9, down 20 min"),
    (
        StateChanged(67, 67, PROXY, None, 0.01, None),
        "OPEN at hop 3 (203.0.113.80), 10 ms: a proxy answers [likely]",
    ),
    (
        StateChanged(67, 66, BLOCKED, OPEN, None, None),
        "BLOCKED after hop 4 (10.3.1.1): silently dropped [certain]",
    ),
    (
        StateChanged(67, 66, SILENT, OPEN, None, None),
        "NO ANSWER after hop 4: dropped there, or the destination is silent [possible]",
    ),
    (
        StateChanged(67, 66, NOWHERE, OPEN, None, None),
        "INCONCLUSIVE: Inconclusive: no hop answered [certain]",
    ),
    (
        StateChanged(67, 66, REJECTED, OPEN, None, None),
        "REJECTED: Hop 4 (10.3.1.1) rejects port 443: No [certain]",
    ),
    (
        PathChanged(67, 5, (("10.5.1.1",),), (("10.5.2.1",),), 9, 9),
        "PATH hop 5: 10.5.1.1 -> 10.5.2.1",
    ),
    (
        PathChanged(67, 5, (("10.5.1.1", "10.5.2.1"), ()), (("10.5.3.1",),), 9, 8),
        "PATH from hop 5: 10.5.1.1|10.5.2.1 * -> 10.5.3.1, 9 -> 8 hops",
    ),
    (LossChanged(67, 12, 40, 6, (), is_over=False), "LOSS 30 % from hop 6 on (12 of 40)"),
    (
        LossChanged(67, 12, 40, None, (2, 3), is_over=False),
        "LOSS 30 % at the destination (12 of 40); limited, no loss: hop 2, 3",
    ),
    (LossChanged(67, 0, 91, None, (), is_over=True), "LOSS over: 0 % (0 of 91)"),
    (RttChanged(67, 0.012, 0.095, 6), "SLOWER from hop 6: 12 ms -> 95 ms"),
    (RttChanged(67, 0.095, 0.012, None), "FASTER: 95 ms -> 12 ms"),
    (LocalTrouble(67, 67, NO_ROUTE), "LOCAL no route to 203.0.113.80"),
    (LocalTrouble(67, 55, NO_ROUTE, is_over=True), "LOCAL over after 12 s: no route to 203.0.113.80"),
    (LocalTrouble(67, 67, SLEPT), "LOCAL nothing was asked for 90 s"),
    (TargetMoved(67, "192.0.2.1", "192.0.2.2"), "ADDRESS of www.example: 192.0.2.1 -> 192.0.2.2"),
    (
        Heartbeat(67, SNAPSHOT),
        (
            "STILL open at hop 9 for 83 s; watched 17 min; up 15 min, down 83 s, unknown 17 s; "
            "1 outage, longest 83 s; 2 path changes; 3 of 4 answered; RTT 12/13/14 ms"
        ),
    ),
    (
        WatchEnded(67, DOWN),
        (
            "END blocked after hop 4 for 83 s; watched 17 min; up 333 min, down 11.1 h; "
            "2 outages, longest 83 s; 1 path change; "
            "3 of 4 answered; RTT 12/13/14 ms"
        ),
    ),
    (
        WatchEnded(67, NOTHING),
        (
            "END nothing known yet; watched 17 min; up 0 s, down 0 s, unknown 17 s; 2 path changes; "
            "0 of 0 answered"
        ),
    ),
    (
        WatchEnded(67, LOCAL._replace(hops=())),
        (
            "END local: no route to 203.0.113.80; watched 17 min; up 15 min, down 83 s, unknown 17 s; "
            "1 outage, longest 83 s; 2 path changes; 3 of 4 answered"
        ),
    ),
]


@pytest.mark.parametrize(("event", "said"), LINES)
def test_an_event_is_a_line_with_its_time_first(event: WatchEvent, said: str) -> None:
    assert WatchLines("www.example", utc).render(event) == f"2025-11-24T20:01:07Z {said}\n"


def test_an_interval_is_no_line() -> None:
    assert WatchLines("www.example", utc).render(Asked(67)) == ""


# JSON -----------------------------------------------------------------------------------------------------


def validator() -> Draft202012Validator:
    schema = {"$ref": "#/$defs/watch_event", "$defs": SCHEMA["$defs"]}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("event", [event for event, _ in LINES])
def test_an_event_is_an_object_of_the_schema(event: WatchEvent) -> None:
    text = WatchJson("www.example", 443, TARGET, utc).render(event)
    assert text.endswith("\n")
    assert text.count("\n") == 1
    seen = json.loads(text)
    validator().validate(seen)
    assert list(seen)[:3] == ["schema", "event", "at"]
    assert seen["at"] == "2025-11-24T20:01:07.000Z"
    assert not validator().is_valid({**seen, "more": 1})


def test_an_interval_is_no_object() -> None:
    assert WatchJson("www.example", 443, TARGET, utc).render(Asked(67)) == ""


def test_after_a_target_moved_the_objects_name_its_new_address() -> None:
    writes = WatchJson("www.example", 443, "192.0.2.1", utc)
    writes.render(TargetMoved(67, "192.0.2.1", "192.0.2.2"))
    seen = json.loads(writes.render(Heartbeat(67, SNAPSHOT)))
    assert seen["target"] == {"host": "www.example", "address": "192.0.2.2"}
    assert [hop["ttl"] for hop in seen["hops"]] == [1, 2, 3, 9]
    assert seen["hops"][3]["average_ms"] == 13.0


def test_the_schema_knows_every_cause() -> None:
    events = {each["properties"]["event"]["const"]: each for each in SCHEMA["$defs"]["watch_event"]["oneOf"]}
    assert events["local"]["properties"]["cause"]["enum"] == [cause.value for cause in Cause]


# OpenMetrics ----------------------------------------------------------------------------------------------


def values(snapshot: Snapshot, host: str = "www.example") -> dict[str, float]:
    """What a parser reads, by the name and the labels that are not on every sample."""
    text = open_metrics(snapshot, host, TARGET, 443)
    found = {}
    for family in openmetrics.text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            assert sample.timestamp is None
            labels = dict(sample.labels)
            assert (labels.pop("host"), labels.pop("address"), labels.pop("port")) == (host, TARGET, "443")
            name = sample.name.removeprefix("tracetcp_watch_")
            found[name + "".join(f" {key}={value}" for key, value in labels.items())] = sample.value
    return found


def test_a_real_parser_reads_the_metrics_of_a_port_that_is_up() -> None:
    assert values(SNAPSHOT) == {
        "up": 1,
        "hops": 9,
        "local_trouble": 0,
        "rtt_seconds": 0.013,
        "loss_ratio": 0.25,
        "probes_total": 4,
        "answers_total": 3,
        "path_changes_total": 2,
        "outages_total": 1,
        "down_seconds_total": 83,
        "hop_rtt_seconds hop=1 router=10.1.1.1": 0.001,
        "hop_rtt_seconds hop=3 router=10.3.1.1": 0.004,
    }


def test_and_of_one_that_is_blocked() -> None:
    seen = values(DOWN)
    assert (seen["up"], seen["blocked_hop"]) == (0, 4)
    assert "hops" not in seen


def test_what_is_not_known_is_left_out() -> None:
    assert set(values(NOTHING)) == {
        "local_trouble",
        "probes_total",
        "answers_total",
        "path_changes_total",
        "outages_total",
        "down_seconds_total",
    }
    assert "up" not in values(LOCAL)
    assert values(LOCAL)["local_trouble"] == 1
    assert "up" in values(SNAPSHOT._replace(state=OPEN._replace(hop=None)))
    assert "blocked_hop" not in values(DOWN._replace(state=NOWHERE))


def test_names_are_escaped() -> None:
    assert values(SNAPSHOT, 'a"b\\c\nd')["up"] == 1


def test_the_collector_of_node_exporter_reads_it_as_prometheus_text() -> None:
    text = open_metrics(SNAPSHOT, "www.example", TARGET, 443)
    names = {family.name for family in prometheus.text_string_to_metric_families(text)}
    assert "tracetcp_watch_up" in names
    assert text.endswith("# EOF\n")


# The block ------------------------------------------------------------------------------------------------

WIDE = Look(100, 30)


def lines(text: str) -> list[str]:
    """The lines of a block, without what moves the cursor."""
    for code in ("\r", "\x1b[K", "\x1b[J"):
        text = text.replace(code, "")
    return text.splitlines()


def drawn(snapshot: Snapshot, look: Look = WIDE, events: list[str] | None = None) -> list[str]:
    texts = AddressTexts(names={"10.1.1.1": "gw.example"})
    return lines(WatchBlock("Watching www.example").draw(snapshot, events or [], "NOW", texts, look))


def test_the_block_has_a_row_for_each_hop_and_the_events_below() -> None:
    seen = drawn(SNAPSHOT, events=["first", "second"])
    assert seen[0].startswith("Watching www.example   ")
    assert seen[0].endswith("NOW")
    assert seen[1] == "open at hop 9 for 83 s; up 91.6 %; outages 1, longest 83 s; path changes 2"
    assert seen[2:] == [
        "HOP    LAST    BEST     AVG   WORST  JITTER    LOSS  ADDRESS",
        "  1     1.0     1.0     1.0     1.0       -          10.1.1.1 [gw.example]  _",
        "  2       -       -       -       -       -  silent  *",
        "  3     4.0     4.0     4.0     4.0       - limited  10.3.1.1|10.3.2.1  _x",
        "  9    13.0    12.0    13.0    14.0     1.0  25.0 %  203.0.113.80  _^x-",
        "first",
        "second",
        "q ends, p pauses, r starts the figures anew",
    ]


def test_it_is_drawn_over_itself() -> None:
    block = WatchBlock("Watching")
    first = block.draw(SNAPSHOT, [], "NOW", NO_TEXTS, WIDE)
    second = block.draw(SNAPSHOT, [], "NOW", NO_TEXTS, WIDE)
    assert first.startswith("\rWatching")
    assert second.startswith(f"\r\x1b[{first.count(chr(10))}AWatching")
    assert "\x1b[?1049h" not in first + second


def test_on_a_small_screen_the_last_hops_and_events_stay() -> None:
    seen = drawn(SNAPSHOT, Look(40, 10), [f"event {number}" for number in range(9)])
    assert len(seen) <= 9
    assert all(len(line) < 40 for line in seen)
    assert seen[-2] == "event 8"
    assert any("hops more" in line for line in seen)


def test_a_tiny_screen_breaks_nothing() -> None:
    assert len(drawn(SNAPSHOT, Look(5, 2), ["event"])) == 1


def test_colours_are_there_only_if_they_are_wanted() -> None:
    coloured = Look(100, 30, is_coloured=True)
    assert "\x1b[32mopen" in drawn(SNAPSHOT, coloured)[1]
    assert "\x1b[31mblocked" in drawn(DOWN, coloured)[1]
    assert "\x1b[33mlocal" in drawn(LOCAL, coloured)[1]
    assert "\x1b[33mPAUSED; open" in drawn(SNAPSHOT._replace(is_paused=True), coloured)[1]
    assert "\x1b[33mnothing" in drawn(NOTHING, coloured)[1]


def test_sparks_are_ascii_unless_the_terminal_takes_more() -> None:
    assert sparks(row(1, 0.001, 0.002, None, 0.009), is_utf8=False) == "__x^"
    assert sparks(row(1, 0.001, 0.002, None, 0.009), is_utf8=True) == "▁▂x█"
    assert sparks(row(1, 0.001, 0.001), is_utf8=True) == "▁▁"
    assert sparks(row(1, None), is_utf8=True) == ""


def test_the_summary_is_whole_at_the_end() -> None:
    block = WatchBlock("Watching")
    last = block.finish(SNAPSHOT, ["event"], "NOW", NO_TEXTS, Look(40, 30), "END " + "of it " * 20)
    assert lines(last)[-1] == "END " + "of it " * 20
    assert "q ends" not in last
