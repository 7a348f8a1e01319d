"""Names from a real DNS server, in header and rows: a slow, a hostile and a missing server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from lab import SERVER, SERVER_6, shape
from lab.chain import SERVERS

if TYPE_CHECKING:
    from lab import Chain

pytestmark = pytest.mark.netns

SLOW_SERVER = "10.0.2.2"


def ask_a_slow_server(lab: Chain, delay: float, name: str) -> None:
    """Give the client a resolver that takes ``delay`` seconds for every answer."""
    lab.start("r1", [sys.executable, str(SERVERS / "slow_dns.py"), SLOW_SERVER, str(delay), name])
    lab.resolve_with(SLOW_SERVER)


NAMED_6 = """
Tracing route to fd00:7::1 [www.lab.example] on port 80
Over a maximum of 3 hops.
1       ~ ms    ~ ms    ~ ms    fd00:1::1       [wintermute]
2       ~ ms    ~ ms    ~ ms    fd00:2::1
3       ~ ms    ~ ms    ~ ms    fd00:3::1       [core-3.lab.example]
Trace Complete.
"""

NUMERIC = """
Tracing route to 10.0.7.1 on port 80
Over a maximum of 2 hops.
1       ~ ms    ~ ms    ~ ms    10.0.1.1
2       ~ ms    ~ ms    ~ ms    10.0.2.1
Trace Complete.
"""


def test_names_over_ipv6(lab: Chain) -> None:
    finished = lab.run("-m 3 six.lab.example")
    assert (shape(finished.out), finished.err) == (NAMED_6, "")


def test_names_in_condensed_rows(lab: Chain) -> None:
    finished = lab.run(f"-c -m 2 -p 1 {SERVER}")
    assert shape(finished.out) == (
        "[10.0.7.1:80]  1        ~ ms    10.0.1.1        [wintermute]\n"
        "[10.0.7.1:80]  2        ~ ms    10.0.2.1\n"
    )


def test_numeric_asks_nobody(lab: Chain) -> None:
    with lab.capture(only="port 53") as capture:
        finished = lab.run(f"-n -m 2 {SERVER}")
    assert shape(finished.out) == NUMERIC
    assert capture.packets() == []


def test_name_from_the_hosts_file_needs_no_server(lab: Chain) -> None:
    lab.client.etc("hosts", f"127.0.0.1 localhost\n{SERVER_6} homely\n")
    with lab.capture(only="port 53") as capture:
        finished = lab.run("-n -m 1 homely")
    assert finished.out.startswith(f"\nTracing route to {SERVER_6} on port 80\n")
    assert capture.packets() == []


def test_unknown_name(lab: Chain) -> None:
    finished = lab.run("nowhere.lab.example")
    assert (finished.status, finished.out) == (3, "")
    assert finished.err.startswith("tracetcp: ")
    assert "nowhere.lab.example" in finished.err
    assert finished.err.count("\n") == 1


@pytest.mark.alone
def test_slow_server_delays_the_report_by_a_second_once(lab: Chain) -> None:
    ask_a_slow_server(lab, 3.0, "late.lab.example")
    finished = lab.run(f"{SERVER}")
    assert finished.status == 0
    assert "late" not in finished.out
    assert finished.out.startswith("\nTracing route to 10.0.7.1 on port 80\n")
    assert shape(finished.out).count("~ ms") == 6 * 3 + 1
    assert finished.seconds < 5.5  # a second each for header and rows, and a busy machine; to wait takes six


def test_server_that_needs_a_moment_is_waited_for(lab: Chain) -> None:
    ask_a_slow_server(lab, 0.2, "prompt.lab.example")
    finished = lab.run(f"-m 2 {SERVER}")
    assert [row.endswith("[prompt.lab.example]") for row in finished.rows[2:4]] == [True, True]


def test_dead_server_leaves_the_rows_without_names(lab: Chain) -> None:
    lab.resolve_with("10.0.2.99")
    finished = lab.run(f"-m 2 {SERVER}")
    assert shape(finished.out) == NUMERIC
    assert finished.seconds < 4.0


def test_nothing_raw_of_a_hostile_name_reaches_the_terminal(lab: Chain) -> None:
    ask_a_slow_server(lab, 0.0, r"\027[31mred\010row\255.lab.example")
    finished = lab.run(f"-m 1 {SERVER}")
    row = finished.rows[2]
    assert row.startswith("1       ")
    assert "red" in row
    assert all(" " <= character <= "~" for character in row)
    assert len(finished.rows) == 4
