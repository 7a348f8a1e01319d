"""The JSON output against its schema, its documentation and the vocabulary."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from notation import TARGET, quote, trace
from tracetcp.config import TraceConfig
from tracetcp.formatters import open_presenter
from tracetcp.formatters.display import Display
from tracetcp.formatters.json import JsonFormatter
from tracetcp.model import (
    NO_TEXTS,
    QUOTE_FIELDS,
    AddressTexts,
    MplsLabel,
    Outcome,
    Probe,
    ProbeRecord,
    Reply,
    ReplyKind,
    VerdictReached,
)
from tracetcp.model.saved_trace import NOT_TRACED
from tracetcp.model.verdict import Certainty, Kind
from tracetcp.verdicts import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.model.evidence import Evidence

SCHEMA = json.loads((resources.files("tracetcp") / "schema.json").read_text(encoding="utf-8"))
DOCUMENT = Path(__file__).parent.parent / "docs" / "json.md"
STARTED = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
ENDED = STARTED.astimezone(timezone(timedelta(hours=2))) + timedelta(seconds=1)
A, B, C = "10.0.1.1", "10.0.2.1", "10.0.3.1"


def line(evidence: Evidence, config: TraceConfig | None = None, texts: AddressTexts = NO_TEXTS) -> str:
    formatter = JsonFormatter("www.example", config or TraceConfig(host="www.example"))
    return formatter.render(evidence, texts, STARTED, ENDED, judge(evidence))


def parsed(
    evidence: Evidence, config: TraceConfig | None = None, texts: AddressTexts = NO_TEXTS
) -> dict[str, Any]:
    """The object of a trace, after the schema accepted it."""
    text = line(evidence, config, texts)
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert text.isascii()
    trace_object: dict[str, Any] = json.loads(text)
    validator().validate(trace_object)
    return trace_object


def validator() -> Draft202012Validator:
    return Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_whole_trace() -> None:
    texts = AddressTexts(names={A: "gw.example", TARGET: "www.example"})
    seen = parsed(trace(f"{A} * open", 443, pings=1), texts=texts)
    assert seen["target"] == {"host": "www.example", "address": TARGET, "name": "www.example", "origin": None}
    assert (seen["schema"], seen["port"], seen["outcome"]) == (1, 443, "open")
    assert (seen["started_at"], seen["ended_at"]) == ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:06.678Z")
    assert [(hop["ttl"], hop["outcome"]) for hop in seen["hops"]] == [(1, None), (2, None), (3, "open")]
    assert seen["hops"][0]["probes"] == [
        {
            "port": 443,
            "ttl": 1,
            "attempt": 1,
            "flow": 0,
            "source_port": None,
            "control": False,
            "kind": "time-exceeded",
            "sender": A,
            "name": "gw.example",
            "origin": None,
            "rtt_ms": 10.0,
            "icmp_type": 11,
            "icmp_code": 0,
            "reply_ttl": 64,
            "changed": [],
            "mpls": [],
            "more_replies": [],
            "unsupported_replies": [],
        }
    ]
    lost = seen["hops"][1]["probes"][0]
    assert (lost["kind"], lost["sender"], lost["rtt_ms"]) == (None, None, None)
    assert (seen["other_probes"], seen["controls"]) == ([], [])
    assert seen["verdicts"][0]["kind"] == "open"


def test_origins_stand_beside_every_address() -> None:
    texts = AddressTexts(origins={A: "AS64500", TARGET: "AS64501"})
    seen = parsed(trace(f"{A} open", pings=1), texts=texts)
    assert seen["target"]["origin"] == "AS64501"
    assert seen["hops"][0]["probes"][0]["origin"] == "AS64500"


def test_the_configuration_is_told() -> None:
    config = TraceConfig(host="x", start_hop=2, max_hops=5, pings=1, timeout=0.5, family=6, interface="eth0")
    assert parsed(trace(f"{A} open"), config)["config"] == {
        "start_hop": 2,
        "max_hops": 5,
        "pings": 1,
        "timeout_ms": 500,
        "anti_flood": True,
        "family": 6,
        "interface": "eth0",
        "gateway": None,
        "raw_only": False,
        "source_port": None,
        "tos": 0,
        "mark": None,
    }


def test_several_replies_labels_and_changes_of_one_probe() -> None:
    label = MplsLabel(16, 0, bottom_of_stack=True, ttl=1)
    forged = Reply(1, ReplyKind.RST, TARGET, 50.001, 60)
    expired = Reply(1, ReplyKind.TIME_EXCEEDED, B, 50.01, None, 11, 0, quote(("tos",), tos=8), (label,))
    record = ProbeRecord(Probe(1, 80, 2, 4, 3), 50.0, (forged, expired))
    probe = parsed(trace(f"{A} {B} open", extra=(record,)))["hops"][1]["probes"][-1]
    assert (probe["kind"], probe["rtt_ms"], probe["changed"]) == ("time-exceeded", 10.0, ["tos"])
    assert probe["mpls"] == [{"label": 16, "traffic_class": 0, "bottom_of_stack": True, "ttl": 1}]
    assert [reply["kind"] for reply in probe["more_replies"]] == ["rst"]


def test_a_probe_that_only_a_forger_answered_is_lost() -> None:
    forged = Reply(1, ReplyKind.RST, TARGET, 50.001, 60)
    record = ProbeRecord(Probe(1, 80, 2, 4, 3), 50.0, (forged,), forged=(forged,))
    probe = parsed(trace(f"{A} {B} open", extra=(record,)))["hops"][1]["probes"][-1]
    assert (probe["kind"], probe["sender"], probe["rtt_ms"]) == (None, None, None)
    assert [reply["kind"] for reply in probe["more_replies"]] == ["rst"]


def test_an_rtt_is_never_negative() -> None:
    early = ProbeRecord(Probe(1, 80, 1, 4, 3), 50.0, (Reply(1, ReplyKind.TIME_EXCEEDED, A, 49.9, 64, 11, 0),))
    assert parsed(trace(f"{A} open", extra=(early,)))["hops"][0]["probes"][-1]["rtt_ms"] == 0.0


def test_probes_of_no_row_are_kept_apart() -> None:
    second_look = ProbeRecord(Probe(1, 80, 127, 4, 3), 50.0, ())
    control = ProbeRecord(Probe(2, 443, 1, 5, 0), 50.0, (), is_control=True)
    own_control = ProbeRecord(Probe(3, 80, 1, 6, 0), 50.0, (), is_control=True)
    seen = parsed(trace(f"{A} closed", extra=(second_look, control, own_control)))
    others = [(probe["ttl"], probe["port"], probe["control"]) for probe in seen["other_probes"]]
    assert others == [(127, 80, False), (1, 443, True), (1, 80, True)]
    assert len(seen["hops"][0]["probes"]) == 3


def test_controls_are_told_with_their_probes() -> None:
    (control,) = parsed(trace(f"{A} * *", controls=(trace(f"{A} {B} open", 443),)))["controls"]
    assert (control["port"], control["outcome"], len(control["probes"])) == (443, "open", 9)


@pytest.mark.parametrize(
    "evidence",
    [
        trace("* x30"),
        trace(f"{A} {B} closed"),
        trace(f"{A} {B}!3/13"),
        trace(f"{A} {B} {C}", start=3),
        replace(trace(f"{A} {B}"), hops=(), records=()),
    ],
)
def test_every_outcome_is_valid(evidence: Evidence) -> None:
    assert parsed(evidence)["outcome"] == evidence.outcome.value.replace(" ", "-")


@pytest.mark.parametrize("address", [None, "192.0.2.1"])
def test_a_port_that_could_not_be_traced_is_valid(address: str | None) -> None:
    formatter = JsonFormatter("a.example", TraceConfig(host="a.example"))
    text = formatter.render_failure(
        443, address, "a.example does not exist in DNS: check the spelling", ENDED
    )
    assert text.count("\n") == 1
    found = json.loads(text)
    validator().validate(found)
    assert (found["outcome"], found["target"]["address"], found["hops"]) == ("not-traced", address, [])
    assert found["error"] == "a.example does not exist in DNS: check the spelling"
    assert found["started_at"] == found["ended_at"] == "2026-01-02T03:04:06.678Z"


def test_an_error_makes_a_record_of_each_port_that_has_none_yet() -> None:
    config = TraceConfig(host="a.example", ports=(80, 443, 25))
    presenter = open_presenter(config, Display(json=True), TARGET, 0.0)
    evidence = trace(f"{A} {B}", port=443)
    first = presenter.render(VerdictReached(443, evidence, judge(evidence)), NO_TEXTS)
    assert json.loads(first)["port"] == 443
    found = [json.loads(each) for each in presenter.failed("the link went down", TARGET, 1.0).splitlines()]
    assert [(each["port"], each["target"]["address"], each["started_at"]) for each in found] == [
        (80, TARGET, "1970-01-01T00:00:01.000Z"),
        (25, TARGET, "1970-01-01T00:00:01.000Z"),
    ]
    assert open_presenter(config, Display(), TARGET, 0.0).failed("the link went down", TARGET, 1.0) == ""


def test_without_verdicts_the_list_is_empty() -> None:
    text = JsonFormatter("x", TraceConfig(host="x")).render(trace(f"{A} open"), NO_TEXTS, STARTED, ENDED)
    validator().validate(json.loads(text))
    assert json.loads(text)["verdicts"] == []


def test_what_is_not_in_the_schema_is_refused() -> None:
    seen = json.loads(line(trace(f"{A} open")))
    assert not validator().is_valid({**seen, "more": 1})
    assert not validator().is_valid({**seen, "outcome": "reached"})
    del seen["port"]
    assert not validator().is_valid(seen)


def test_the_schema_knows_the_whole_vocabulary() -> None:
    definitions = SCHEMA["$defs"]
    verdict = definitions["verdict"]["properties"]
    assert verdict["kind"]["enum"] == [kind.value for kind in Kind]
    assert verdict["certainty"]["enum"] == [certainty.value for certainty in Certainty]
    assert definitions["reply"]["properties"]["kind"]["enum"] == [
        *(kind.value.replace(" ", "-") for kind in ReplyKind),
        None,
    ]
    outcomes = [outcome.value.replace(" ", "-") for outcome in Outcome]
    assert SCHEMA["properties"]["outcome"]["enum"] == [*outcomes, NOT_TRACED]
    assert definitions["reply"]["properties"]["changed"]["items"]["enum"] == list(QUOTE_FIELDS)


def test_the_documented_object_is_valid_and_the_fields_are_documented() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    example = re.search(r"```json\n(.*?)```", document, re.DOTALL)
    assert example is not None
    validator().validate(json.loads(example[1]))
    fields = set(_properties(SCHEMA))
    assert {field for field in fields if f"`{field}`" not in document} == set()
    assert {kind.value for kind in Kind if f"`{kind.value}`" not in document} == set()


def _properties(schema: object) -> Iterator[str]:
    """The names of all members in ``schema``, however deep."""
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for part in schema.values():
            yield from _properties(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _properties(part)
