"""The events of a watch as NDJSON: one object each, on one line; docs/json.md describes them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.formatters.json import RTT_DECIMALS, SCHEMA_VERSION, json_line, utc_text
from tracetcp.model.watching import (
    Heartbeat,
    LocalTrouble,
    LossChanged,
    PathChanged,
    RttChanged,
    StateChanged,
    TargetMoved,
    WatchEnded,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tracetcp.model.watching import LocalCause, PortState, Snapshot, WatchedHop, WatchEvent

SECONDS_DECIMALS = 3


class WatchJson:
    """Turns the events of a watch of ``host`` and ``port`` into objects.

    ``destination`` is the address that is watched at first, ``utc`` turns an instant into a time with a zone.
    """

    def __init__(self, host: str, port: int, destination: str, utc: Callable[[float], datetime]) -> None:
        self._host, self._port, self._destination = host, port, destination
        self._utc = utc

    def render(self, event: WatchEvent) -> str:
        """The line of ``event``; empty for one that is no news."""
        if isinstance(event, TargetMoved):
            self._destination = event.after
        own = self._own(event)
        return json_line({**self._common(event), **own}) if own else ""

    def _common(self, event: WatchEvent) -> dict[str, object]:
        return {
            "schema": SCHEMA_VERSION,
            "event": "",
            "at": self._instant(event.at),
            "target": {"host": self._host, "address": self._destination},
            "port": self._port,
        }

    def _own(self, event: WatchEvent) -> dict[str, object]:
        match event:
            case StateChanged():
                return {
                    "event": "state",
                    "since": self._instant(event.since),
                    "state": _state(event.state),
                    "before": _state(event.before),
                    "rtt_ms": _ms(event.rtt),
                    "down_s": _seconds(event.down),
                }
            case PathChanged():
                return {
                    "event": "path",
                    "first_hop": event.first_hop,
                    "before": [list(hop) for hop in event.before],
                    "after": [list(hop) for hop in event.after],
                    "length_before": event.length_before,
                    "length_after": event.length_after,
                }
            case LossChanged():
                return {
                    "event": "loss",
                    "over": event.is_over,
                    "lost": event.lost,
                    "decided": event.decided,
                    "hop": event.hop,
                    "limited": list(event.limited),
                }
            case RttChanged():
                return {
                    "event": "rtt",
                    "before_ms": _ms(event.before),
                    "after_ms": _ms(event.after),
                    "hop": event.hop,
                }
            case LocalTrouble():
                return {
                    "event": "local",
                    "over": event.is_over,
                    "since": self._instant(event.since),
                    **_cause(event.cause),
                }
            case TargetMoved():
                return {"event": "address", "before": event.before, "after": event.after}
            case Heartbeat():
                return {"event": "heartbeat", **self._snapshot(event.snapshot)}
            case WatchEnded():
                return {"event": "end", **self._snapshot(event.snapshot)}
        return {}

    def _snapshot(self, snapshot: Snapshot) -> dict[str, object]:
        return {
            "state": _state(snapshot.state),
            "since": self._instant(snapshot.since),
            "local": None if snapshot.local is None else _cause(snapshot.local),
            "started_at": self._instant(snapshot.started_at),
            "asked": snapshot.asked,
            "answered": snapshot.answered,
            "up_s": _seconds(snapshot.up),
            "down_s": _seconds(snapshot.down),
            "unknown_s": _seconds(snapshot.unknown),
            "outages": snapshot.outages,
            "longest_outage_s": _seconds(snapshot.longest_outage),
            "path_changes": snapshot.path_changes,
            "hops": [_hop(hop) for hop in snapshot.hops],
        }

    def _instant(self, instant: float) -> str:
        return utc_text(self._utc(instant))


def _state(state: PortState | None) -> dict[str, object] | None:
    if state is None:
        return None
    return {
        "up": state.is_up,
        "outcome": state.outcome.value.replace(" ", "-"),
        "kind": state.kind.value,
        "certainty": state.certainty.value,
        "sentence": state.sentence,
        "hop": state.hop,
        "address": state.address,
    }


def _cause(cause: LocalCause) -> dict[str, object]:
    return {"cause": cause.cause.value, "sentence": cause.sentence}


def _hop(hop: WatchedHop) -> dict[str, object]:
    return {
        "ttl": hop.hop,
        "addresses": list(hop.addresses),
        "destination": hop.is_destination,
        "asked": hop.asked,
        "answered": hop.answered,
        "last_ms": _ms(hop.last),
        "best_ms": _ms(hop.best),
        "average_ms": _ms(hop.average),
        "worst_ms": _ms(hop.worst),
        "jitter_ms": _ms(hop.jitter),
        "limited": hop.is_limited,
        "silent": hop.is_silent,
    }


def _ms(duration: float | None) -> float | None:
    return None if duration is None else round(duration * 1000, RTT_DECIMALS)


def _seconds(duration: float | None) -> float | None:
    return None if duration is None else round(duration, SECONDS_DECIMALS)
