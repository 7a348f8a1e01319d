"""What a watch knows as OpenMetrics text, for the textfile collector of node_exporter. Pure.

OpenMetrics 1.0 as it also parses as Prometheus text: base units (seconds, ratios), no time stamps, ``# EOF``
at the end. Every metric has the labels ``host``, ``address`` and ``port``. A value that is not known is left
out, as Prometheus expects, instead of being a zero that looks like one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.model.watching import Snapshot

PREFIX = "tracetcp_watch_"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def open_metrics(snapshot: Snapshot, host: str, address: str, port: int) -> str:
    """The whole file."""
    labels = f'host="{_escaped(host)}",address="{_escaped(address)}",port="{port}"'
    return "".join(_metrics(snapshot, labels)) + "# EOF\n"


def _metrics(snapshot: Snapshot, labels: str) -> Iterator[str]:
    state, row = snapshot.state, snapshot.destination
    if snapshot.local is None and state is not None:
        yield _gauge("up", "Whether the port is reached.", int(state.is_up), labels)
        if state.is_up and state.hop:
            yield _gauge("hops", "Hops to the destination.", state.hop, labels)
        if not state.is_up and state.hop:
            yield _gauge("blocked_hop", "The last hop before the port ends.", state.hop, labels)
    is_local = int(snapshot.local is not None)
    yield _gauge("local_trouble", "Whether this machine keeps answers away.", is_local, labels)
    if row is not None and row.last is not None:
        yield _gauge("rtt_seconds", "The last RTT of the destination.", row.last, labels)
    if snapshot.asked:
        lost = 1 - snapshot.answered / snapshot.asked
        yield _gauge("loss_ratio", "Part of the decided probes that nothing answered.", lost, labels)
    yield _counter("probes", "Decided probes of the destination.", snapshot.asked, labels)
    yield _counter("answers", "Those of them that it answered.", snapshot.answered, labels)
    yield _counter("path_changes", "Times that the path changed.", snapshot.path_changes, labels)
    yield _counter("outages", "Times that the port was not reached any more.", snapshot.outages, labels)
    yield _counter("down_seconds", "Time that the port was not reached.", snapshot.down, labels)
    yield _hop_rtts(snapshot, labels)


def _gauge(name: str, text: str, value: float, labels: str) -> str:
    return f"{_head(name, 'gauge', text)}{PREFIX}{name}{{{labels}}} {_number(value)}\n"


def _counter(name: str, text: str, value: float, labels: str) -> str:
    return f"{_head(name, 'counter', text)}{PREFIX}{name}_total{{{labels}}} {_number(value)}\n"


def _hop_rtts(snapshot: Snapshot, labels: str) -> str:
    rows = [hop for hop in snapshot.hops if not hop.is_destination and hop.last is not None]
    if not rows:
        return ""
    lines = [
        f'{PREFIX}hop_rtt_seconds{{{labels},hop="{row.hop}",router="{_escaped(row.addresses[0])}"}} '
        f"{_number(row.last or 0.0)}\n"
        for row in rows
        if row.addresses
    ]
    return _head("hop_rtt_seconds", "gauge", "The last RTT of each hop.") + "".join(lines)


def _head(name: str, kind: str, text: str) -> str:
    unit = "seconds" if name.endswith("_seconds") else "ratio" if name.endswith("_ratio") else ""
    told = f"# UNIT {PREFIX}{name} {unit}\n" if unit else ""
    return f"# TYPE {PREFIX}{name} {kind}\n{told}# HELP {PREFIX}{name} {text}\n"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6f}"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
