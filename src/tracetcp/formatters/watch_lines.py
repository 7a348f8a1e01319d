"""The events of a watch as text: one line each, UTC first (RFC 3339). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.formatters.columns import milliseconds
from tracetcp.model.verdict import Kind
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

    from tracetcp.model.watching import PortState, Snapshot, WatchEvent

WORDS = {
    Kind.PROXY: "OPEN",
    Kind.NO_ANSWER: "NO ANSWER",
    Kind.PATH_GOES_ON: "NOT REACHED",
}
"""How a line calls a state, where that is not the verdict's kind in capitals."""
AFTER = {
    Kind.BLOCKED: "silently dropped",
    Kind.NO_ANSWER: "dropped there, or the destination is silent",
}
"""What is said of a port that ends after a hop."""
MINUTES_FROM, HOURS_FROM = 600, 36_000
"""Seconds from which a duration is told in minutes, and in hours."""


class WatchLines:
    """Turns the events of a watch of ``host`` into lines; ``utc`` turns an instant into a time in UTC."""

    def __init__(self, host: str, utc: Callable[[float], datetime], precision: int = 0) -> None:
        self._host = host
        self._utc = utc
        self._precision = precision

    def render(self, event: WatchEvent) -> str:
        """The line of ``event``; empty for one that is no news."""
        said = self.sentence(event)
        return f"{timestamp(self._utc(event.at))} {said}\n" if said else ""

    def sentence(self, event: WatchEvent) -> str:
        """The same without time and line end."""
        match event:
            case StateChanged():
                return self._state(event)
            case PathChanged():
                return path_words(event)
            case LossChanged():
                return loss_words(event)
            case RttChanged(_, before, after, hop):
                word = "SLOWER" if after > before else "FASTER"
                where = f" from hop {hop}" if hop else ""
                return f"{word}{where}: {self._ms(before)} -> {self._ms(after)}"
            case LocalTrouble(at, since, cause, is_over):
                said = cause.sentence
                return f"LOCAL over after {seconds(at - since)}: {said}" if is_over else f"LOCAL {said}"
            case TargetMoved(_, before, after):
                return f"ADDRESS of {self._host}: {before} -> {after}"
            case Heartbeat(_, snapshot):
                return f"STILL {self.summary(snapshot)}"
            case WatchEnded(_, snapshot):
                return f"END {self.summary(snapshot)}"
        return ""

    def _state(self, event: StateChanged) -> str:
        state = event.state
        if not state.is_up:
            return outage_words(state)
        again = " again" if event.down is not None else ""
        address = "" if event.down is not None else f" ({state.address})"
        where = f" at hop {state.hop}{address}" if state.hop else ""
        tail = [f"down {seconds(event.down)}"] if event.down is not None else []
        if event.rtt is not None and event.down is None:
            tail.append(self._ms(event.rtt))
        proxy = f": a proxy answers [{state.certainty.value}]" if state.kind is Kind.PROXY else ""
        return ", ".join([f"{word(state)}{again}{where}", *tail]) + proxy

    def summary(self, snapshot: Snapshot) -> str:
        """What a watch knows, in one line."""
        parts = [now_words(snapshot)]
        parts.append(f"watched {seconds(snapshot.at - snapshot.started_at)}")
        parts.append(f"up {seconds(snapshot.up)}, down {seconds(snapshot.down)}")
        if round(snapshot.unknown):
            parts[-1] += f", unknown {seconds(snapshot.unknown)}"
        if snapshot.outages:
            count = snapshot.outages
            longest = f"longest {seconds(snapshot.longest_outage)}"
            parts.append(f"{count} outage{'s' if count > 1 else ''}, {longest}")
        parts.append(f"{snapshot.path_changes} path change{'' if snapshot.path_changes == 1 else 's'}")
        parts.append(f"{snapshot.answered} of {snapshot.asked} answered")
        row = snapshot.destination
        if row and row.best is not None and row.average is not None and row.worst is not None:
            *others, worst = (self._ms(rtt) for rtt in (row.best, row.average, row.worst))
            parts.append(f"RTT {'/'.join(rtt.removesuffix(' ms') for rtt in others)}/{worst}")
        return "; ".join(parts)

    def _ms(self, rtt: float) -> str:
        return milliseconds(rtt, self._precision)


def timestamp(instant: datetime) -> str:
    """RFC 3339 in seconds; ``instant`` is UTC."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def word(state: PortState) -> str:
    """A state in a word or two, in capitals."""
    return WORDS.get(state.kind) or state.kind.value.replace("-", " ").upper()


def outage_words(state: PortState) -> str:
    """What keeps the port from being reached, and how sure that is."""
    after = AFTER.get(state.kind)
    if after is not None and state.hop is not None:
        where = f"hop {state.hop} ({state.address})" if state.address else f"hop {state.hop}"
        said = f" after {where}: {after}"
    else:
        said = f": {state.sentence.removesuffix('.')}"
    return f"{word(state)}{said} [{state.certainty.value}]"


def now_words(snapshot: Snapshot) -> str:
    """What is so now, and for how long."""
    state = snapshot.state
    if snapshot.local is not None:
        return f"local: {snapshot.local.sentence}"
    if state is None:
        return "nothing known yet"
    after = " after" if state.kind in AFTER else " at"
    hop = f"{after} hop {state.hop}" if state.hop else ""
    return f"{word(state).lower()}{hop} for {seconds(snapshot.at - snapshot.since)}"


def path_words(event: PathChanged) -> str:
    """Which hops changed, and to what."""
    before, after = (" ".join(map(hop_words, hops)) for hops in (event.before, event.after))
    length = ""
    if event.length_before and event.length_after and event.length_before != event.length_after:
        length = f", {event.length_before} -> {event.length_after} hops"
    which = "hop" if len(event.before) == len(event.after) == 1 else "from hop"
    return f"PATH {which} {event.first_hop}: {before} -> {after}{length}"


def hop_words(addresses: tuple[str, ...]) -> str:
    """The addresses of one hop: ``*`` for none, several with a bar between."""
    return "|".join(addresses) or "*"


def loss_words(event: LossChanged) -> str:
    """How much is lost, from where on, and who only seems to lose."""
    counted = f"({event.lost} of {event.decided})"
    if event.is_over:
        return f"LOSS over: {round(event.share * 100)} % {counted}"
    where = f" from hop {event.hop} on" if event.hop else " at the destination"
    limited = f"; limited, no loss: hop {', '.join(map(str, event.limited))}" if event.limited else ""
    return f"LOSS {round(event.share * 100)} %{where} {counted}{limited}"


def seconds(duration: float) -> str:
    """A duration in the unit that suits it."""
    if duration < MINUTES_FROM:
        return f"{duration:.0f} s"
    if duration < HOURS_FROM:
        return f"{duration / 60:.0f} min"
    return f"{duration / 3600:.1f} h"
