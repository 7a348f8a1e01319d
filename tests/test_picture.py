"""Pictures: every box and arrow that was found, in words and in colour, in three languages."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from branching import search
from internet import Scenario, load, network
from notation import TARGET, trace
from tracetcp.errors import TracetcpError, UsageError
from tracetcp.formatters.branches import MOST_WAYS, render_branches
from tracetcp.formatters.picture import picture
from tracetcp.formatters.picture.drawing import Box, Drawing
from tracetcp.formatters.picture.layout import lay_out
from tracetcp.formatters.picture.mermaid import as_mermaid
from tracetcp.formatters.picture.of_branches import draw_branches
from tracetcp.formatters.picture.of_traces import draw_traces
from tracetcp.model import NO_TEXTS, AddressTexts, VerdictReached
from tracetcp.picture_file import PictureFile
from tracetcp.verdicts import judge

if TYPE_CHECKING:
    from branching import Search
    from tracetcp.model.evidence import Evidence

DOCS = Path(__file__).resolve().parents[1] / "docs"
A, B, C = "10.0.1.1", "10.0.2.1", "10.0.3.1"
SVG = "{http://www.w3.org/2000/svg}"


def judged(*evidences: Evidence) -> list[VerdictReached]:
    return [VerdictReached(evidence.port, evidence, judge(evidence)) for evidence in evidences]


def branched(found: Search) -> VerdictReached:
    evidence = trace(f"{A} {B} open", found.found.port)
    return VerdictReached(found.found.port, evidence, judge(evidence), branches=found.found)


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - as above


def boxes(drawing: Drawing) -> list[tuple[int, str, str]]:
    return [(box.row, " | ".join(box.lines), box.look.value) for box in drawing.boxes]


def arrows(drawing: Drawing) -> set[tuple[str, str, str, str]]:
    return {
        (drawing.boxes[each.near].lines[0], drawing.boxes[each.far].lines[0], each.label, each.look.value)
        for each in drawing.arrows
    }


# The path of one port


def test_a_path_is_a_box_a_hop() -> None:
    drawing = draw_traces(judged(trace(f"{A} * {C} open")), AddressTexts(names={A: "gw.example"}))
    assert drawing.title == f"Port 80 of {TARGET}"
    assert drawing.rows == ("hop 1", "hop 2", "hop 3", "hop 4")
    assert boxes(drawing) == [
        (0, f"{A} | gw.example | 10 ms", "plain"),
        (1, "(no answer)", "silent"),
        (2, f"{C} | 30 ms", "plain"),
        (3, f"{TARGET} | port 80 open in 40 ms", "reached"),
    ]
    assert arrows(drawing) == {
        (A, "(no answer)", "", "silent"),
        ("(no answer)", C, "", "silent"),
        (C, TARGET, "", "plain"),
    }
    assert drawing.notes == (f"Port 80 is open at hop 4 ({TARGET}).",)


def test_loss_is_told_in_colour_and_in_words() -> None:
    drawing = draw_traces(
        judged(trace(f"{A} {B} open", is_lost=lambda ttl, flow: (ttl, flow) == (2, 1))), NO_TEXTS
    )
    assert boxes(drawing)[1] == (1, f"{B} | 20 ms, 1 of 3 lost", "lossy")


def test_the_break_is_told_in_colour_and_in_words() -> None:
    drawing = draw_traces(judged(trace(f"{A} {B} * * *", last=5)), NO_TEXTS)
    assert boxes(drawing)[-1] == (2, "port 80 | no answer", "broken")
    assert (B, "port 80", "", "broken") in arrows(drawing)


def test_a_rejection_ends_the_path() -> None:
    drawing = draw_traces(judged(trace(f"{A} {B}!3/13")), NO_TEXTS)
    assert boxes(drawing)[-1] == (
        1,
        f"{B} | port 80: Communication administratively prohibited",
        "broken",
    )


def test_where_nothing_answers_there_is_still_a_picture() -> None:
    drawing = draw_traces(judged(trace("* *", last=2)), NO_TEXTS)
    assert boxes(drawing) == [(0, "port 80 | no answer", "broken")]
    assert drawing.arrows == ()


def test_routers_that_share_load_are_joined_by_flow() -> None:
    drawing = draw_traces(judged(trace(f"{A} {B}|{C} 10.0.4.1|10.0.5.1 open")), NO_TEXTS)
    joined = {(near, far) for near, far, *_ in arrows(drawing)}
    assert {(B, "10.0.4.1"), (C, "10.0.5.1")} <= joined
    assert (B, "10.0.5.1") not in joined


# Two ports


def test_two_ports_part_in_the_picture() -> None:
    open_port = trace(f"{A} {B} {C} open", 443)
    blocked = trace(f"{A} {B} * * *", 135, last=5, controls=(open_port,))
    drawing = draw_traces(judged(open_port, blocked), NO_TEXTS)
    assert drawing.title == f"Ports 443 and 135 of {TARGET}"
    assert arrows(drawing) == {
        (A, B, "", "plain"),
        (B, C, "port 443", "first"),
        (C, TARGET, "port 443", "first"),
        (B, "port 135", "port 135", "broken"),
    }
    assert (2, "port 135 | dropped", "broken") in boxes(drawing)


# Branches


def test_the_dead_branch_is_red_and_says_which_ports_hang() -> None:
    found = search(load("load-balancing-dead"), ports=(443,))
    drawing = draw_branches(
        branched(found).evidence, found.found, AddressTexts(names={"10.6.3.1": "bad.example"})
    )
    dead = [box for box in drawing.boxes if box.look.value == "broken"]
    assert len(dead) == 1
    assert dead[0].lines[0] == "port 443 dropped"
    assert "source ports 4" in " ".join(dead[0].lines)
    assert ("10.6.3.1", "port 443 dropped", "", "broken") in arrows(drawing)
    shares = [box.lines[-1] for box in drawing.boxes if box.row == 5]
    assert all(re.fullmatch(r"\d+ of 25 flows", share) for share in shares)
    assert any("bad.example" in box.lines for box in drawing.boxes)


@pytest.mark.parametrize("name", ["load-balancing", "load-balancing-lengths", "load-balancing-nested"])
def test_every_arrow_leads_onward_and_no_boxes_overlap(name: str) -> None:
    found = search(load(name))
    drawing = draw_branches(branched(found).evidence, found.found, NO_TEXTS)
    assert all(drawing.boxes[each.near].row < drawing.boxes[each.far].row for each in drawing.arrows)
    places = lay_out(drawing).places
    for number, one in enumerate(places):
        for other in places[:number]:
            apart_x = abs(one.x - other.x) >= (one.width + other.width) / 2
            apart_y = abs(one.y - other.y) >= (one.height + other.height) / 2
            assert apart_x or apart_y


def test_silent_rejecting_and_by_packet_are_told() -> None:
    hops = [
        {"rtt": 1},
        {"rtt": 2, "silent": True},
        {"rtt": 3, "router": [{}, {"rule": [{"action": "unreachable"}]}]},
        {"rtt": 4},
    ]
    scenario = Scenario.of({"title": "all", "hop": hops, "destination": {"rtt": 5, "open": 80}})
    looks = {
        box.lines[0]: box
        for box in draw_branches(branched(search(scenario)).evidence, search(scenario).found, NO_TEXTS).boxes
    }
    assert looks["(no answer)"].look.value == "silent"
    rejecting = [box for box in looks.values() if "reports unreachable" in box.lines]
    assert rejecting[0].look.value == "broken"
    by_packet = search(network("1 2:2 3 | rtt 4", by_packet=[2], seed=3))
    lines = [
        box.lines for box in draw_branches(branched(by_packet).evidence, by_packet.found, NO_TEXTS).boxes
    ]
    assert sum("by packet" in each for each in lines) == 2


# The languages


def events() -> list[list[VerdictReached]]:
    open_port = trace(f"{A} {B} {C} open", 443)
    blocked = trace(f"{A} {B} * * *", 135, last=5, controls=(open_port,))
    dead = search(load("load-balancing-dead"), ports=(443,))
    return [judged(trace(f"{A} * open")), judged(open_port, blocked), [branched(dead)]]


@pytest.mark.parametrize("number", range(3))
def test_svg_is_well_formed_and_says_all_in_text(number: int) -> None:
    root = parsed(picture(".svg", events()[number], NO_TEXTS))
    assert root.tag == f"{SVG}svg"
    said = {text.text for text in root.iter(f"{SVG}text")}
    assert said >= {"hop 1", A if number < 2 else "10.1.1.1"}
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.attrib["width"]) <= width
        assert float(rect.attrib["height"]) <= height
    assert "href" not in picture(".svg", events()[number], NO_TEXTS)


@pytest.mark.parametrize("number", range(3))
def test_graphviz_draws_the_dot(number: int) -> None:
    text = picture(".dot", events()[number], NO_TEXTS)
    assert text.startswith("digraph tracetcp {")
    if (dot := shutil.which("dot")) is None:
        pytest.skip("graphviz is not installed")
    drawn = subprocess.run(
        [dot, "-Tplain"], input=text, capture_output=True, text=True, check=True, timeout=20
    )
    assert drawn.stderr == ""
    assert (
        len(re.findall(r"^node ", drawn.stdout, re.MULTILINE))
        == len(re.findall(r"^  n\d+ \[", text, re.MULTILINE)) + 1
    )


@pytest.mark.parametrize("number", range(3))
def test_mermaid_has_a_line_for_each_box_and_arrow(number: int) -> None:
    lines = picture(".mmd", events()[number], NO_TEXTS).splitlines()
    assert lines[3] == "flowchart TD"
    nodes = [line for line in lines if re.match(r'  n\d+\["', line)]
    links = [line for line in lines if re.match(r"  n\d+ -", line)]
    assert len([line for line in lines if line.startswith("  linkStyle")]) == len(links)
    assert nodes
    assert links


def test_names_from_the_network_are_text_in_every_language() -> None:
    texts = AddressTexts(names={A: 'a"b<script>&]#\\'})
    event = judged(trace(f"{A} open"))
    said = parsed(picture(".svg", event, texts))
    assert any(text.text == 'a"b<script>&]#\\' for text in said.iter(f"{SVG}text"))
    assert 'a\\"b<script>&]#\\\\' in picture(".dot", event, texts)
    assert "a#34;b#60;script#62;#38;#93;#35;#92;" in picture(".mmd", event, texts)


def test_a_drawing_without_a_sentence_has_no_box_for_it() -> None:
    assert "notes" not in as_mermaid(Drawing("a", (), (Box(0, ("b",)),), (), ()))


# The file


def test_a_picture_is_written_whole_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "path.svg"
    path.write_text("old")
    drawn = PictureFile(str(path))
    drawn.take(judged(trace(f"{A} open")))
    assert path.read_text() == "old"
    drawn.write(NO_TEXTS)
    drawn.close()
    assert path.read_text().startswith("<svg ")
    assert [each.name for each in tmp_path.iterdir()] == ["path.svg"]


def test_a_run_without_a_trace_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "path.svg"
    drawn = PictureFile(str(path))
    drawn.write(NO_TEXTS)
    drawn.close()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--picture: .* cannot be written \(No such file or directory\)"):
        PictureFile(str(tmp_path / "none" / "a.svg"))
    (tmp_path / "b.svg").mkdir()
    with pytest.raises(UsageError, match="is a directory: name a file in it"):
        PictureFile(str(tmp_path / "b.svg"))


def test_a_file_that_takes_no_more_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    drawn = PictureFile(str(tmp_path / "deep" / "a.svg"))
    drawn.take(judged(trace(f"{A} open")))
    shutil.rmtree(tmp_path / "deep")
    with pytest.raises(TracetcpError, match=r"a\.svg takes no more \(No such file or directory\)"):
        drawn.write(NO_TEXTS)
    drawn.close()


# The text of branches


def test_the_rows_the_drawing_and_the_verdicts() -> None:
    found = search(load("load-balancing-dead"), ports=(443,))
    text = render_branches(
        found.found, found.verdicts, TARGET, AddressTexts(names={"10.6.3.1": "bad.example"})
    )
    assert re.fullmatch(
        r"""
Branches of port 443, seen from 25 source ports \(40000 to 40\d\d\d\):
1       10\.1\.1\.1
2       10\.2\.1\.1
3       10\.3\.1\.1
4       10\.4\.1\.1
5       10\.5\.1\.1
6       10\.6\.\d\.1( \[bad\.example\])? \(\d+ of 25\)
        10\.6\.\d\.1( \[bad\.example\])? \(\d+ of 25\)
        10\.6\.\d\.1( \[bad\.example\])? \(\d+ of 25\)
        10\.6\.\d\.1( \[bad\.example\])? \(\d+ of 25\)
7       10\.7\.1\.1( \(\d+ of \d+\)
        \* \(\d+ of \d+\))?
8       198\.51\.100\.9 destination

10\.1\.1\.1
10\.2\.1\.1
10\.3\.1\.1
10\.4\.1\.1
10\.5\.1\.1
(\|-- 10\.6\.\d\.1( x)?\n){3}`-- 10\.6\.\d\.1( x)?
10\.7\.1\.1
198\.51\.100\.9

Verdict: Of 4 branches after hop 5 the one through 10\.6\.3\.1 drops port 443: .* hang\. \[certain\]
Evidence: Of \d+ probes of these ports beyond hop 6 none was answered, of others \d+ of \d+\.
Verdict: Load on port 443 is shared: 4 branches at hop 6 \(95 %\)\. \[certain\]
Evidence: \d+ probes more than the trace, on 25 source ports\.
""",
        text,
    )
    assert "|-- 10.6.3.1 x" in text or "`-- 10.6.3.1 x" in text


def test_flows_that_end_at_a_hop_have_a_row() -> None:
    searches = (
        search(Scenario.of(load("load-balancing-dead").table | {"seed": seed}), ports=(443,))
        for seed in range(30)
    )
    found = next(each for each in searches if each.found.hops[6].ended)
    hop = found.found.hops[6]
    text = render_branches(found.found, found.verdicts, TARGET, NO_TEXTS)
    assert f"\n        * ({hop.ended} of {hop.drawn})\n" in text


def test_condensed_rows_are_comments() -> None:
    found = search(network("1 2 | rtt 3"))
    lines = render_branches(found.found, found.verdicts, TARGET, NO_TEXTS, "# ").splitlines()
    assert lines[1:4] == ["# 1     10.1.1.1", "# 2     10.2.1.1", f"# 3     {TARGET} destination"]
    assert all(line.startswith("# ") for line in lines)


def test_silence_by_packet_and_rejection_have_words() -> None:
    hops = [
        {"rtt": 1},
        {"rtt": 2, "silent": True},
        {"rtt": 3, "router": [{}, {"rule": [{"action": "unreachable"}]}]},
        {"rtt": 4},
    ]
    found = search(Scenario.of({"title": "all", "hop": hops, "destination": {"rtt": 5, "open": 80}}))
    text = render_branches(found.found, found.verdicts, TARGET, NO_TEXTS)
    assert "\n2       *\n" in text
    assert " reports unreachable (" in text
    by_packet = search(network("1 2:2 3 | rtt 4", by_packet=[2], seed=3))
    assert "2.1 by packet" in render_branches(by_packet.found, by_packet.verdicts, TARGET, NO_TEXTS)


@pytest.mark.parametrize(
    "mesh", ["1 2:6 3:6 4 | rtt 5", pytest.param("1 2:8 3:8 4:8 5 | rtt 6", marks=pytest.mark.repeats)]
)
def test_where_branches_mesh_manifold_the_drawing_stays_small(mesh: str) -> None:
    found = search(network(mesh))
    lines = render_branches(found.found, found.verdicts, TARGET, NO_TEXTS).splitlines()
    assert "`-- and further ways" in lines
    assert len([line for line in lines if line.startswith("|-- ")]) == MOST_WAYS


def test_nothing_found_is_still_a_text() -> None:
    found = search(network("* * | silent 80"), max_hops=2)
    text = render_branches(found.found, found.verdicts, TARGET, NO_TEXTS)
    assert text.startswith("\nBranches of port 80, seen from ")


# The documents


def documented() -> tuple[VerdictReached, Search]:
    """The run of docs/usage.md."""
    found = search(load("load-balancing-dead"), ports=(443,))
    evidence = replace(trace(f"{A} {B} open", 443), destination=found.prober.destination)
    return VerdictReached(443, evidence, judge(evidence), branches=found.found), found


def test_the_documented_picture_and_text_are_what_comes_out() -> None:
    event, found = documented()
    assert (DOCS / "branches.svg").read_text(encoding="utf-8") == picture(".svg", [event], NO_TEXTS)
    text = render_branches(found.found, found.verdicts, found.prober.destination, NO_TEXTS)
    page = (DOCS / "usage.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("Evidence"):  # whose counts depend on what was late
            assert line in page, line
