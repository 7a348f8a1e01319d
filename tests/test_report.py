"""``--report``: what stands in it, what goes with it, and that nothing foreign survives as markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from notation import TARGET, trace
from tracetcp.app import main
from tracetcp.formatters.markdown import block, code, prose, table
from tracetcp.formatters.report import render_report
from tracetcp.model import AddressTexts
from tracetcp.model.ticket import Ticket, TicketTrace
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts import judge
from tracetcp.verdicts.contact import judge_contact

if TYPE_CHECKING:
    from markdown_it.token import Token

    from tracetcp.model.evidence import Evidence

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
BEGAN, ENDED = (datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC) for second in (5, 9))
BLOCKED = trace(f"{A} {B} * x9", 135, controls=(trace(f"{A} {B} {C} open", 443),), last=11)
ORIGINS = {A: "AS64501", B: "AS64501", C: "AS64502", TARGET: "AS64502"}
NAMES = {A: "gw.example", C: "www.c.example"}


def traced(evidence: Evidence = BLOCKED, *tested: Verdict, **fields: Any) -> TicketTrace:
    verdicts = judge(evidence)
    texts = fields.pop("texts", AddressTexts(NAMES, ORIGINS))
    values: dict[str, Any] = {
        "evidence": evidence,
        "verdicts": verdicts,
        "tested": tested,
        "contact": judge_contact(evidence, verdicts[0], texts.origins),
        "texts": texts,
        "source": "62.253.122.9",
        "started_at": BEGAN,
        "ended_at": ENDED,
        "is_raw": True,
    }
    return TicketTrace(**(values | fields))


def ticket(*traces: TicketTrace, **fields: Any) -> Ticket:
    values: dict[str, Any] = {
        "host": "db.example",
        "port": 135,
        "command": "tracetcp --report db.example:135",
        "version": "1.2.3",
        "traces": traces or (traced(),),
        "untraced": {},
        "networks": {"AS64501": "ACCESS - Access Networks, GB"},
    }
    return Ticket(**(values | fields))


def tokens(text: str) -> list[Token]:
    """What GitHub's dialect makes of ``text``, with the tokens inside of lines."""
    found = MarkdownIt("gfm-like", {"html": True}).parse(text)
    return [inner for token in found for inner in (token, *(token.children or ()))]


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"]


def test_a_blocked_port_from_head_to_foot() -> None:
    text = render_report(ticket())
    assert text.isascii()
    assert text.startswith(
        "# Port 135 of `db.example`: blocked\n\n"
        f"**Port 135 is blocked after hop 2 (`{B}`): SYNs are silently dropped. (certain)**\n\n"
        "Whom to call: cannot be said. What drops the port is between hop 2 and hop 3: AS64501 may stop it "
        "on the way out, or AS64502 on the way in. "
        "Networks there: `AS64501` (`ACCESS - Access Networks, GB`), `AS64502`.\n\n"
        f"## Evidence over IPv4: `{TARGET}`\n\n"
        "- Port 443 is answered at 2 TTLs from 3 to 4; 27 probes that went as far were not.\n"
    )
    assert cells(text)[2:7] == [
        ["1", f"`{A}`", "`gw.example`", "`AS64501`", "10.0 10.0 10.0", "router"],
        ["2", f"`{B}`", "-", "`AS64501`", "20.0 20.0 20.0", "router"],
        ["3-11", "-", "-", "-", "-", "no answer"],
        ["3", f"`{C}`", "`www.c.example`", "`AS64502`", "-", "to port 443 alone"],
        ["4", f"`{TARGET}`", "-", "`AS64502`", "-", "the host, to port 443 alone"],
    ]
    assert f'  n3["{TARGET}<br/>port 135 blocked"]:::broken\n  n0 --> n1\n  n1 --> n2\n  n2 -.-> n3\n' in text
    assert "\ntcpdump -n 'tcp port 135 and host 62.253.122.9'\n" in text
    assert f"\ntracetcp -e {TARGET}:135\n" in text
    assert "\n```\ntracetcp --report db.example:135\n```\n" in text
    assert cells(text)[-1] == [
        *("IPv4", "`62.253.122.9`", f"`{TARGET}`", "`2026-01-02 03:04:05`", "`2026-01-02 03:04:09`"),
        "raw sockets",
    ]
    assert "\ntracetcp 1.2.3. Certain, likely" in text


def test_an_open_port() -> None:
    text = render_report(ticket(traced(trace(f"{A} {B} open", 443)), port=443))
    assert text.startswith("# Port 443 of `db.example`: open\n")
    assert "Whom to call: nobody. The port takes connections" in text
    assert cells(text)[4] == ["3", f"`{TARGET}`", "-", "`AS64502`", "30.0", "the host: open"]
    assert f'  n3["{TARGET}<br/>port 443 open"]:::reached\n' in text
    assert "  n2 --> n3\n" in text


def test_who_refuses_is_marked() -> None:
    text = render_report(ticket(traced(trace(f"{A} {B} {C}!3/13", 135))))
    assert cells(text)[4][5] == "Communication administratively prohibited"
    assert '<br/>Communication administratively prohibited"]:::broken\n' in text
    assert "port 135 rejected" in text


def test_a_closed_port_is_the_hosts_and_silent_hops_are_in_the_picture() -> None:
    ports = tuple(trace(f"{A} * * {B} {end}", port) for port, end in ((443, "open"), (46137, "closed")))
    text = render_report(
        ticket(traced(trace(f"{A} * * {B} closed", 135, controls=ports)), networks={"AS64502": "HOSTER, GB"})
    )
    assert "Whom to call: whoever runs the host, in `AS64502` (`HOSTER, GB`). The host is reached" in text
    assert '  n2["hops 2 to 3<br/>no answer"]:::silent\n' in text
    one = render_report(ticket(traced(trace(f"{A} * {B} closed", 135, controls=ports))))
    assert '  n2["hop 2<br/>no answer"]:::silent\n' in one
    plain = traced(trace(f"{A} * * {B} closed", 135, controls=ports), texts=AddressTexts())
    nobody = render_report(ticket(plain))
    assert "Whom to call: whoever runs the host. The host" in nobody


@pytest.mark.parametrize(
    ("evidence", "title"),
    [
        (trace("* x5", last=5), "not answered"),
        (trace(f"{A} {B}", last=2), "farther away than was asked"),
        (trace(f"{A} {B} closed"), "closed"),
        (trace(f"{A} {B} * x5", last=7), "not answered"),
    ],
)
def test_every_ending_has_its_title(evidence: Evidence, title: str) -> None:
    text = render_report(ticket(traced(evidence)))
    assert text.splitlines()[0] == f"# Port 135 of `db.example`: {title}"


def test_two_families_are_told_apart_and_a_missing_one_is_told() -> None:
    six = traced(trace(f"{A} {B} open"), source="fe80::1%eth0", is_raw=False)
    six = traced(
        trace("2001:db8::1 2001:db8::2 open"), source="fe80::1%eth0", is_raw=False, contact=six.contact
    )
    both = render_report(ticket(traced(), six))
    assert both.startswith("# Port 135 of `db.example`: blocked over IPv4, open over IPv4\n")
    assert both.count("## Evidence over") == 2
    assert "Not public, so NAT on our side changes it: `fe80::1%eth0`." in both
    assert "connecting sockets" in both
    one = render_report(ticket(untraced={6: "db.example has no IPv6 address, only 192.0.2.9"}))
    assert one.startswith("# Port 135 of `db.example`: blocked over IPv4\n")
    assert "\nIPv6 was not traced: `db.example has no IPv6 address, only 192.0.2.9`.\n" in one


def test_packet_sizes_are_part_of_the_conclusion() -> None:
    hole = Verdict(
        kind=Kind.MTU_HOLE, sentence="Packets are lost.", certainty=Certainty.CERTAIN, evidence=("A fact.",)
    )
    text = render_report(ticket(traced(trace(f"{A} open"), hole)))
    assert text.startswith("# Port 135 of `db.example`: open, but loses large packets\n")
    assert "\n**Packets are lost. (certain)**\n" in text
    assert "\n- A fact.\n" in text


def test_hops_with_many_routers_stay_readable() -> None:
    many = "|".join(f"192.0.2.{n}" for n in range(1, 7))
    text = render_report(ticket(traced(trace(f"{many} open", pings=6))))
    assert "`192.0.2.4` and 2 more" in text


# Nothing foreign is markup ---------------------------------------------------------------------------------

HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        "www.evil.example", "https://evil.example", "mailto:a@b.example", "@everyone", ":100:", "#123",
        "<script>alert(1)</script>", "<!--", "--> <b>", "![x](http://evil.example/x.png)", "GH-1", "end",
        "`` ` ``", "```\n# x", "~~~", "a|b", "\n\n# Title", "**x**", "_y_", "$x$", "&lt;b&gt;", "\\",
        '"]; click n0 "javascript:alert(1)"', "#quot;", "%%{init: {}}%%", "\u202e", "\x1b[2J",
        "[a](javascript:b)", "5d41402abc4b2a76b9719d9",
    ]
)  # fmt: skip
LABEL = r'"(?:[A-Za-z0-9 .,:/_()%+?-]|#\d+;|<br/>)*"'
PICTURE_LINE = re.compile(
    rf"flowchart TD|  (?:classDef \w+|linkStyle \d+) [\w:;,# -]+|  n\d+ (?:-->|-\.->) n\d+"
    rf"|  n\d+\[{LABEL}\]:::\w+"
)
WORD_MARKS = re.compile(r"(?<![\w])[@#][\w]|:[\w+-]+:|https?://|www\.|\x1b")


def shape(text: str) -> list[str]:
    """The skeleton of a text: what it is made of, without what is said."""
    return [token.type for token in tokens(text) if token.type not in ("text", "softbreak", "text_special")]


def assert_plain(text: str) -> None:
    assert text.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    found = tokens(text)
    kinds = {token.type for token in found}
    assert not kinds & {"link_open", "html_inline", "html_block", "image", "em_open", "s_open", "hr"}, kinds
    for token in found:
        if token.type == "text":
            assert not WORD_MARKS.search(token.content), token.content


@given(names=st.lists(HOSTILE, min_size=3, max_size=3), origin=HOSTILE, network=HOSTILE, host=HOSTILE)
@settings(max_examples=50, deadline=None)
@example(names=["www.evil.example", "a|b", "`x`"], origin="AS1|", network="**x** @me", host="a`b|c")
def test_nothing_from_the_network_or_the_command_line_is_markup(
    names: list[str], origin: str, network: str, host: str
) -> None:
    plain = render_report(ticket(host="h", command="x", networks={"AS64501": "x", "AS64502": "x"}))
    texts = AddressTexts({A: names[0], B: names[1], C: names[2]}, ORIGINS | {A: origin})
    contact = traced().contact
    hostile = render_report(
        ticket(
            traced(texts=texts, contact=contact),
            host=host,
            command=f"tracetcp --report {host}",
            networks={"AS64501": network, "AS64502": network},
            untraced={},
        )
    )
    assert_plain(hostile)
    assert {len(row) for row in cells(hostile)} == {6}

    def structure(text: str) -> list[str]:
        return [each for each in shape(text) if each != "code_inline"]

    assert structure(hostile) == structure(plain)
    picture = hostile.partition("```mermaid\n")[2].partition("```")[0]
    for line in picture.splitlines():
        assert PICTURE_LINE.fullmatch(line), line


@given(st.lists(HOSTILE, max_size=4).map(" ".join))
@example(
    "x: http://a.b www.c.d evil.com @e a@b.c :100: #1 `f` *g* _h_ <i> [j](k) | l ~m~ $n$ https:/x ftp://y.z"
)
def test_a_sentence_of_ours_is_prose_whatever_gets_into_it(text: str) -> None:
    sentence = prose(f"The host says {text}")
    assert_plain(sentence)
    assert set(shape(sentence)) <= {"inline", "paragraph_open", "paragraph_close", "code_inline"}


@given(HOSTILE)
def test_code_is_one_span_and_a_block_one_fence(text: str) -> None:
    assert (
        shape(f"x {code(text)} y") == ["paragraph_open", "inline", "code_inline", "paragraph_close"]
        or code(text) == "-"
    )
    assert shape(block(text)) == ["fence"]
    assert len(cells(table([("a", "b"), (code(text), "x")]))[2]) == 2


def test_addresses_in_a_sentence_are_code() -> None:
    assert prose("Hop 4 (192.0.2.1) and fe80::1%eth0, at 10.20 s: no.") == (
        "Hop 4 (`192.0.2.1`) and `fe80::1%eth0`, at 10.20 s: no."
    )
    assert prose("a_b *c*") == "a\\_b \\*c\\*"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--report", "--json", "x"], "--report and --json exclude each other"),
        (["--report", "-c", "x"], "--report and -c exclude each other"),
        (["--report", "-s", "1", "2", "x"], "--report and -s exclude each other"),
        (["--report", "-r", "1", "2", "x"], "--report and -r exclude each other"),
        (["--report", "--compare", "1", "2", "x"], "--report and --compare exclude each other"),
        (["--report", "--pcap", "f", "x"], "--report and --pcap exclude each other"),
        (["--report", "x:1,2"], "--report is about one port, and the target names 2"),
        (["--report", "--diff", "a", "b"], "--diff and --report exclude each other"),
    ],
)
def test_what_goes_with_report_and_what_does_not(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
