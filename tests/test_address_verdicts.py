"""The conclusion on all addresses of a host, from the verdict on each; its text and its place in the JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from notation import TARGET, trace
from tracetcp.config import TraceConfig
from tracetcp.errors import NoRoute
from tracetcp.formatters.conclusions import render_conclusions
from tracetcp.formatters.display import Display
from tracetcp.formatters.presenter import JsonPresenter
from tracetcp.model import NO_TEXTS, VerdictReached
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.targets.arrivals import Entry
from tracetcp.targets.session import Host
from tracetcp.verdicts import judge
from tracetcp.verdicts.addresses import MET, conclude

if TYPE_CHECKING:
    from tracetcp.model.evidence import Evidence

A, B, C, D = "10.0.1.1", "10.0.2.1", "10.0.3.1", "10.0.4.1"
SIX, SEVEN = "2001:db8::6", "2001:db8::7"
OPEN = trace(f"{A} {B} {C} open")
SILENT = trace(f"{A} {B} * * * * *")
CONTROL = trace(f"{A} {B} {C} {D} open", port=443)
BLOCKED = trace(f"{A} {B} * * * * *", controls=(CONTROL,))


def at(address: str, evidence: Evidence) -> tuple[Evidence, Verdict]:
    there = replace(evidence, destination=address)
    return there, judge(there)[0]


def test_families_that_differ_are_told_each() -> None:
    found = conclude([at(SIX, BLOCKED), at(TARGET, OPEN)], {})
    assert found.sentence == f"Port 80: IPv6 is blocked after hop 2 ({B}), IPv4 is open."
    assert found.kind is Kind.ADDRESSES_DIFFER
    assert [line.partition(": ")[0] for line in found.evidence] == [SIX, TARGET]
    assert (found.hop, found.address) == (None, None)


def test_addresses_of_one_family_that_met_the_same_are_one() -> None:
    found = conclude([at(TARGET, OPEN), at("198.51.100.8", OPEN), at(SIX, OPEN)], {})
    assert found.sentence == "Port 80: IPv6 is open, IPv4 is open."
    assert found.kind is Kind.ADDRESSES_ALIKE


def test_addresses_of_one_family_that_differ_are_told_one_by_one() -> None:
    found = conclude([at(SIX, OPEN), at(SEVEN, SILENT)], {})
    assert found.sentence == f"Port 80: {SIX} is open, {SEVEN} is silent after hop 2 ({B})."
    assert found.kind is Kind.ADDRESSES_DIFFER


def test_a_host_with_one_address_has_no_other() -> None:
    assert (
        conclude([at(TARGET, OPEN)], {}).sentence == "Port 80: IPv4 is open; the host has no other address."
    )


def test_an_address_that_could_not_be_traced_says_nothing_of_the_port() -> None:
    found = conclude([at(TARGET, OPEN)], {SIX: "no route to 2001:db8::6"})
    assert found.sentence == "Port 80: IPv6 could not be traced, IPv4 is open."
    assert found.kind is Kind.ADDRESSES_DIFFER
    assert found.evidence[-1] == f"{SIX}: no route to 2001:db8::6."


def test_silence_from_the_first_hop_on_has_no_place() -> None:
    assert "IPv4 does not answer" in conclude([at(TARGET, trace("* * *"))], {}).sentence


def test_it_is_as_sure_as_the_least_sure_of_them() -> None:
    judged = [
        (OPEN, Verdict(kind=Kind.OPEN, sentence="x.", certainty=certainty, hop=4))
        for certainty in (Certainty.CERTAIN, Certainty.POSSIBLE, Certainty.LIKELY)
    ]
    assert conclude(judged, {}).certainty is Certainty.POSSIBLE


@pytest.mark.parametrize("kind", MET)
def test_every_kind_of_end_has_its_words(kind: Kind) -> None:
    verdict = Verdict(kind=kind, sentence="x.", certainty=Certainty.LIKELY, hop=2, address=B)
    sentence = conclude([(SILENT, verdict)], {}).sentence
    assert "{" not in sentence
    assert "does not answer" not in sentence


def test_the_lines_say_that_it_is_the_conclusion() -> None:
    found = conclude([at(TARGET, OPEN)], {})
    assert render_conclusions([found], "# ") == (
        f"# Conclusion: Port 80: IPv4 is open; the host has no other address. [{found.certainty.value}]\n"
    )


def reached(address: str, evidence: Evidence) -> VerdictReached:
    there, verdict = at(address, evidence)
    return VerdictReached(there.port, there, (verdict,))


def test_it_comes_with_the_last_address_and_only_if_all_are_traced() -> None:
    entry = Entry("", "h", (80,))
    host = Host(entry, [SIX, TARGET], is_whole=True)
    assert host.judged(reached(SIX, BLOCKED), SIX) is None
    assert not host.is_over
    found = host.judged(reached(TARGET, OPEN), TARGET)
    assert found is not None
    assert host.is_over
    half = Host(entry, [TARGET], is_whole=False)
    assert half.judged(reached(TARGET, OPEN), TARGET) is None


def test_an_address_that_fails_last_ends_the_waiting() -> None:
    host = Host(Entry("", "h", (80,)), [SIX, TARGET], is_whole=True)
    assert host.judged(reached(TARGET, OPEN), TARGET) is None
    (found,) = host.failed(SIX, NoRoute("no route there"))
    assert "IPv6 could not be traced" in found.sentence
    nobody = Host(Entry("", "h", (80,)), [SIX], is_whole=True)
    assert nobody.failed(SIX, NoRoute("no route there")) == []


def test_the_record_that_ends_last_has_it_among_its_verdicts() -> None:
    presenter = JsonPresenter(TraceConfig(host="h"), Display(json=True), 0.0)
    event = reached(TARGET, OPEN)
    found = conclude([at(TARGET, OPEN)], {})
    record = json.loads(presenter.render(event._replace(conclusions=(found,)), NO_TEXTS))
    assert [verdict["kind"] for verdict in record["verdicts"]] == ["addresses-alike"]
