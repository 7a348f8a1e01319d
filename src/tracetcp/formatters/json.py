"""The JSON output: one object for each trace, on one line. Pure; docs/json.md and schema.json describe it."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING

from tracetcp.model import ReplyKind
from tracetcp.model.branches import NodeKind
from tracetcp.model.saved_trace import NOT_TRACED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tracetcp.config import TraceConfig
    from tracetcp.model import AddressTexts, Hop, MplsLabel, ProbeRecord, Reply
    from tracetcp.model.branches import Branches
    from tracetcp.model.evidence import Evidence, TracedPort
    from tracetcp.model.verdict import Verdict

SCHEMA_VERSION = 1
"""Version of the format: raised when a field changes its meaning or is removed, not when one is added."""
RTT_DECIMALS = 3
"""Decimals of a millisecond: microseconds, the precision of the kernel's stamps."""

NO_REPLY: dict[str, object] = {
    "kind": None,
    "sender": None,
    "name": None,
    "origin": None,
    "rtt_ms": None,
    "icmp_type": None,
    "icmp_code": None,
    "reply_ttl": None,
    "changed": [],
    "mpls": [],
}
"""The reply fields of a lost probe."""


class JsonFormatter:
    """Turns the traces of one run to ``host`` under ``config``, sent from ``source``, into JSON."""

    def __init__(self, host: str, config: TraceConfig, source: str | None = None) -> None:
        self._host = host
        self._source = source
        self._config = _config(config)
        self._ports = config.ports

    def render(
        self,
        evidence: Evidence,
        texts: AddressTexts,
        started_at: datetime,
        ended_at: datetime,
        verdicts: Sequence[Verdict] = (),
        branches: Branches | None = None,
    ) -> str:
        """The line of one finished trace, with the names and origins in ``texts``.

        ``started_at`` and ``ended_at`` must have a time zone.
        """
        words = _Words(texts)
        shown = {hop.ttl for hop in evidence.hops}
        return self._record(
            evidence.port,
            words.of(evidence.destination),
            (started_at, ended_at),
            outcome=_slug(evidence.outcome.value),
            hops=[words.hop(hop, evidence.own_records) for hop in evidence.hops],
            other_probes=words.probes(
                record
                for record in evidence.records
                if record.is_control or record.probe.port != evidence.port or record.probe.ttl not in shown
            ),
            controls=[
                words.control(control) for control in evidence.controls if control.port not in self._ports
            ],
            verdicts=[verdict_as_json(verdict) for verdict in verdicts],
            branches=None if branches is None else words.branches(branches, evidence.destination),
        )

    def render_failure(self, port: int, address: str | None, error: str, at: datetime) -> str:
        """The line of a port that could not be traced; ``error`` says why, ``address`` is None without one.

        ``at``, when that was known, must have a time zone.
        """
        return self._record(
            port,
            {"address": address, "name": None, "origin": None},
            (at, at),
            outcome=NOT_TRACED,
            error=error,
            hops=[],
            other_probes=[],
            controls=[],
            verdicts=[],
            branches=None,
        )

    def _record(
        self, port: int, target: Mapping[str, object], between: tuple[datetime, datetime], **found: object
    ) -> str:
        """The line of one port: what every record has, and then what was ``found``, in that order."""
        started_at, ended_at = between
        return json_line(
            {
                "schema": SCHEMA_VERSION,
                "target": {"host": self._host, **target},
                "source": self._source,
                "port": port,
                "config": self._config,
                "started_at": utc_text(started_at),
                "ended_at": utc_text(ended_at),
                **found,
            }
        )


class _Words:
    """Builds the objects of the format, with the texts known for each address."""

    def __init__(self, texts: AddressTexts) -> None:
        self._names, self._origins = texts.names, texts.origins

    def of(self, address: str) -> dict[str, object]:
        return {
            "address": address,
            "name": self._names.get(address),
            "origin": self._origins.get(address),
        }

    def hop(self, hop: Hop, records: Sequence[ProbeRecord]) -> dict[str, object]:
        return {
            "ttl": hop.ttl,
            "outcome": _slug(hop.outcome.value) if hop.outcome else None,
            "probes": self.probes(record for record in records if record.probe.ttl == hop.ttl),
        }

    def control(self, control: TracedPort) -> dict[str, object]:
        return {
            "port": control.port,
            "outcome": _slug(control.outcome.value),
            "probes": self.probes(control.own_records),
        }

    def branches(self, found: Branches, destination: str) -> dict[str, object]:
        """The graph of a port."""
        addresses = [destination if n.kind is NodeKind.HOST else n.address for n in found.nodes]
        return {
            "percent": found.percent,
            "cut_short": found.is_cut_short,
            "probes": found.probes,
            "nodes": [
                {
                    "id": node.number,
                    "kind": node.kind.value,
                    "address": address,
                    "name": self._names.get(address or ""),
                    "origin": self._origins.get(address or ""),
                    "ttls": list(node.ttls),
                    "source_ports": list(node.source_ports),
                }
                for node, address in zip(found.nodes, addresses, strict=True)
            ],
            "links": [
                {"from": link.near, "to": link.far, "source_ports": list(link.source_ports)}
                for link in found.links
            ],
            "hops": [
                {
                    "ttl": hop.ttl,
                    "flows": hop.drawn,
                    "shares": [{"node": share.node, "flows": share.flows} for share in hop.shares],
                    "ended": hop.ended,
                    "missed": round(hop.missed, 4),
                    "by_packet": hop.is_by_packet,
                }
                for hop in found.hops
            ],
            "flows": [
                {
                    "source_port": flow.source_port,
                    "outer_port": flow.outer_port,
                    "reached": flow.has_reached,
                    "steps": [
                        {"ttl": s.ttl, "node": s.node, "probes": s.probes, "answers": s.answers}
                        for s in flow.steps
                    ],
                }
                for flow in found.flows
            ],
        }

    def probes(self, records: Iterable[ProbeRecord]) -> list[dict[str, object]]:
        return [self._probe(record) for record in records]

    def _probe(self, record: ProbeRecord) -> dict[str, object]:
        """A probe with its main reply: among several the router's, and none that is forged, as in a row."""
        probe = record.probe
        genuine = sorted(
            (reply for reply in record.replies if reply not in record.forged),
            key=lambda reply: (reply.kind is not ReplyKind.TIME_EXCEEDED, reply.is_loose),
        )
        first, *more = [self._reply(reply, record.sent_at) for reply in genuine] or [NO_REPLY]
        more += [self._reply(reply, record.sent_at) for reply in record.forged]
        return {
            "port": probe.port,
            "ttl": probe.ttl,
            "attempt": probe.attempt,
            "flow": probe.flow,
            "source_port": probe.source_port or None,
            "control": record.is_control,
            **first,
            "more_replies": more,
            "unsupported_replies": [self._reply(reply, record.sent_at) for reply in record.unsupported],
        }

    def _reply(self, reply: Reply, sent_at: float) -> dict[str, object]:
        return {
            "kind": _slug(reply.kind.value),
            "sender": reply.sender,
            "name": self._names.get(reply.sender),
            "origin": self._origins.get(reply.sender),
            "rtt_ms": round(max(0.0, reply.received_at - sent_at) * 1000, RTT_DECIMALS),
            "icmp_type": reply.icmp_type,
            "icmp_code": reply.icmp_code,
            "reply_ttl": reply.reply_ttl,
            "changed": list(reply.quote.changed) if reply.quote else [],
            "mpls": [_label(label) for label in reply.labels],
        }


def json_line(found: Mapping[str, object]) -> str:
    """``found`` as one line of NDJSON, in plain ASCII."""
    return json.dumps(found, ensure_ascii=True, separators=(",", ":")) + "\n"


def verdict_as_json(verdict: Verdict) -> dict[str, object]:
    """``verdict`` as a verdict object of docs/json.md."""
    return {
        "kind": verdict.kind.value,
        "sentence": verdict.sentence,
        "certainty": verdict.certainty.value,
        "evidence": list(verdict.evidence),
        "hop": verdict.hop,
        "address": verdict.address,
    }


def _label(label: MplsLabel) -> dict[str, object]:
    return {
        "label": label.label,
        "traffic_class": label.traffic_class,
        "bottom_of_stack": label.bottom_of_stack,
        "ttl": label.ttl,
    }


def _config(config: TraceConfig) -> dict[str, object]:
    return {
        "start_hop": config.start_hop,
        "max_hops": config.max_hops,
        "pings": config.pings,
        "timeout_ms": round(config.timeout * 1000),
        "anti_flood": config.anti_flood,
        "family": config.family,
        "interface": config.interface,
        "gateway": config.gateway,
        "raw_only": config.raw_only,
        "source_port": config.source_port,
        "tos": config.tos,
        "mark": config.mark,
    }


def utc_text(instant: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _slug(words: str) -> str:
    return words.replace(" ", "-")
