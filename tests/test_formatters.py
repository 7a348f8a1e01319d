"""Wording and columns beyond the documented examples."""

from __future__ import annotations

import pytest

from tracetcp.formatters.columns import columns
from tracetcp.formatters.condensed import CondensedFormatter
from tracetcp.formatters.verbose import VerboseFormatter
from tracetcp.model import (
    AddressSeen,
    AddressTexts,
    Event,
    Hop,
    HopFinished,
    Outcome,
    Ping,
    PortScanned,
    Reply,
    ReplyKind,
    TraceFinished,
    TraceStarted,
    spelled_out,
)
from tracetcp.model.icmp_words import UNREACHABLE_WORDS, icmp_words

TARGET = "198.51.100.7"


def ping(attempt: int, ms: float | None, sender: str = "192.0.2.1", kind: str = "time exceeded") -> Ping:
    """A ping answered after ``ms``, in order of attempts; None for a lost one."""
    if ms is None:
        return Ping(attempt, None, None)
    icmp = (3, 13) if kind == "unreachable" else (None, None)
    reply = Reply(attempt, ReplyKind(kind), sender, float(attempt), icmp_type=icmp[0], icmp_code=icmp[1])
    return Ping(attempt, ms / 1000, reply)


def verbose(*pings: Ping, outcome: Outcome | None = None, ttl: int = 5, precision: int = 0) -> str:
    return VerboseFormatter(TARGET, 30, precision).render(HopFinished(80, Hop(ttl, pings, outcome)))


def condensed(*pings: Ping, outcome: Outcome | None = None, destination: str = TARGET) -> str:
    return CondensedFormatter(destination).render(HopFinished(80, Hop(5, pings, outcome)))


def test_a_cell_that_fills_its_column_pushes_the_next_to_the_tab_stop_after() -> None:
    assert columns(["12345678", "x"]) == "12345678        x\n"
    assert columns(["1234567", "x"]) == "1234567 x\n"
    assert columns([], "prefix") == "prefix\n"


def test_a_hop_that_lost_pings_shows_stars_between_its_times() -> None:
    assert verbose(ping(1, 10), ping(2, None), ping(3, 12)) == ("5       10 ms   *       12 ms   192.0.2.1\n")


def test_routers_that_share_a_hop_stand_in_order_of_first_answer_with_their_names() -> None:
    formatter = VerboseFormatter(TARGET, 30)
    hop = Hop(5, (ping(1, 9, "192.0.2.1"), ping(2, 9, "192.0.2.2"), ping(3, 9, "192.0.2.1")))
    texts = AddressTexts(names={"192.0.2.2": "b.example"})
    assert formatter.render(HopFinished(80, hop), texts) == (
        "5       9 ms    9 ms    9 ms    192.0.2.1       192.0.2.2       [b.example]\n"
    )


def test_an_origin_stands_behind_the_name() -> None:
    texts = AddressTexts(names={"192.0.2.1": "a.example"}, origins={"192.0.2.1": "AS64500"})
    row = VerboseFormatter(TARGET, 30).render(HopFinished(80, Hop(5, (ping(1, 9),))), texts)
    assert row == "5       9 ms    192.0.2.1       [a.example]     [AS64500]\n"


def test_the_lost_pings_of_the_destination_come_before_its_answer() -> None:
    row = verbose(ping(1, None), ping(2, 170, TARGET, "syn-ack"), outcome=Outcome.OPEN)
    assert row == f"5       *       Destination Reached in 170 ms. Connection established to {TARGET}\n"


@pytest.mark.parametrize(
    ("render", "sentence"),
    [
        (verbose, f"5       Destination Reached in 2 ms. Port closed on {TARGET}\n"),
        (condensed, f"[{TARGET}:80]  5    Dest. in 2 ms. Port CLOSED on {TARGET}\n"),
    ],
)
def test_a_closed_port_is_a_reached_destination(render: object, sentence: str) -> None:
    assert callable(render)
    assert render(ping(1, 2, TARGET, "rst"), outcome=Outcome.CLOSED) == sentence


def test_an_unreachable_row_names_who_says_what() -> None:
    row = verbose(*(ping(n, 3, "192.0.2.9", "unreachable") for n in (1, 2, 3)), outcome=Outcome.UNREACHABLE)
    assert row == (
        "5       3 ms    3 ms    3 ms    192.0.2.9 reports: Communication administratively prohibited\n"
    )


def test_codes_without_words_are_told_by_number() -> None:
    assert icmp_words(3, 99) == "Destination unreachable (code 99)"
    assert icmp_words(None, None) == "Destination unreachable"
    assert (
        len(set(UNREACHABLE_WORDS.values())) >= len(UNREACHABLE_WORDS) - 1
    )  # only "Port unreachable" is said by both versions


def test_an_ipv6_target_gets_brackets_in_condensed_output() -> None:
    assert condensed(ping(1, None), destination="2001:db8::1") == (
        "[[2001:db8::1]:80]  5   *       Request timed out.\n"
    )


@pytest.mark.parametrize(("precision", "cell"), [(0, "1 ms"), (1, "1.2 ms"), (2, "1.23 ms"), (3, "1.234 ms")])
def test_decimals_of_a_millisecond_on_request(precision: int, cell: str) -> None:
    row = verbose(ping(1, 1.234), precision=precision)
    assert row.removeprefix("5       ").removesuffix("192.0.2.1\n").rstrip() == cell


def test_verbose_frames_each_port_with_header_and_closing_line() -> None:
    formatter = VerboseFormatter(TARGET, 12)
    assert formatter.render(TraceStarted(443), AddressTexts({TARGET: "t.example"})) == (
        f"\nTracing route to {TARGET} [t.example] on port 443\nOver a maximum of 12 hops.\n"
    )
    assert formatter.render(TraceFinished(443, Outcome.NOT_REACHED, ())) == "Trace Complete.\n"
    assert formatter.render(AddressSeen(TARGET)) == ""


def test_condensed_separates_ports_of_several_rows_only() -> None:
    formatter = CondensedFormatter(TARGET)
    row = HopFinished(80, Hop(1, (ping(1, 1),)))
    end = TraceFinished(80, Outcome.NOT_REACHED, ())
    several: list[Event] = [
        TraceStarted(1),
        row,
        row,
        end,
        TraceStarted(2),
        row,
        end,
        TraceStarted(3),
        row,
        end,
    ]
    assert [bool(formatter.render(event) == "\n") for event in several].index(True) == 4
    assert sum(formatter.render(event) == "\n" for event in several[7:]) == 0


@pytest.mark.parametrize(
    "formatter",
    [VerboseFormatter(TARGET, 1), CondensedFormatter(TARGET), CondensedFormatter(TARGET, is_scan=True)],
)
@pytest.mark.parametrize("kind", ["syn-ack", "rst", None])
def test_a_scanned_port_reads_as_its_three_events_do(
    formatter: VerboseFormatter | CondensedFormatter, kind: str | None
) -> None:
    outcome = {"syn-ack": Outcome.OPEN, "rst": Outcome.CLOSED, None: None}[kind]
    hop = Hop(128, (ping(1, 2 if kind else None, TARGET, kind or "rst"),), outcome)
    scanned = PortScanned(80, hop, ())
    in_parts = "".join(formatter.render(event) for event in spelled_out([scanned]))
    assert formatter.render(scanned) == in_parts
    assert str(TARGET if kind else "Request timed out.") in in_parts


def test_the_row_of_a_scan_is_numbered_1() -> None:
    row = CondensedFormatter(TARGET, is_scan=True).render(HopFinished(80, Hop(128, (ping(1, None),))))
    assert row == f"[{TARGET}:80]  1    *       Request timed out.\n"
