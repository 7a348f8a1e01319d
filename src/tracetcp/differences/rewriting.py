"""What is done to our SYN on the way: begins, ends or moves. Pure.

R1. Only routers that quote our SYN in both traces are compared: others may quote less of it.
R2. On shared flows a router counts that shows the change on every flow in one trace and on none in the other.
    Two quotes at least must show it.
R3. Without shared flows a box may stand on one branch only: each trace needs ``ENOUGH_FLOWS`` quotes there.
R4. An MSS that was rewritten is not told a second time as options that were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetcp.differences.words import place
from tracetcp.model.difference import Change, Difference
from tracetcp.model.verdict import Certainty

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetcp.differences.pair import Pair
    from tracetcp.model.saved_trace import SavedProbe, SavedTrace

ENOUGH_FLOWS = 3
"""As many as a trace has columns by default: two equal branches look like that in one of 32."""
CLEAR_QUOTES = 4
ENOUGH_QUOTES = 2


class Treatment(NamedTuple):
    """A way to treat a SYN: the quoted fields that show it, and the words for it."""

    fields: frozenset[str]
    subject: str
    done: str
    hidden_by: str = ""


TREATMENTS = (
    Treatment(
        frozenset({"source address", "source port", "destination address", "destination port"}),
        "An address or port",
        "translated",
    ),
    Treatment(frozenset({"sequence number"}), "The sequence number", "rewritten"),
    Treatment(frozenset({"tos"}), "The TOS byte", "rewritten"),
    Treatment(frozenset({"mss"}), "The MSS", "rewritten"),
    Treatment(frozenset({"options"}), "The list of TCP options", "rewritten", hidden_by="mss"),
)


class Seen(NamedTuple):
    """A router, its hop, and how many of its quotes show a treatment in each trace, of how many."""

    hop: int
    address: str
    old: tuple[int, int]
    new: tuple[int, int]

    @property
    def has_begun(self) -> bool:
        """Whether every new quote shows it, and no old one."""
        return self.old[0] == 0 and self.new[0] == self.new[1]

    @property
    def has_ended(self) -> bool:
        """The reverse."""
        return self.new[0] == 0 and self.old[0] == self.old[1]


def compare_rewriting(pair: Pair) -> Iterator[Difference]:
    """What began, ended or moved."""
    for treatment in TREATMENTS:
        routers = _routers(pair, treatment)
        began = [each for each in routers if each.has_begun]
        changed = began or [each for each in routers if each.has_ended]
        quotes = min(sum(each.old[1] for each in changed), sum(each.new[1] for each in changed))
        if quotes >= ENOUGH_QUOTES:  # R2
            is_clear = bool(pair.flows) and quotes >= CLEAR_QUOTES
            yield _difference(pair, treatment, changed[0], is_new=bool(began), is_clear=is_clear)


def _routers(pair: Pair, treatment: Treatment) -> Sequence[Seen]:
    """The routers that quote us in both traces, nearest first (R1)."""
    old, new = (_quotes(pair.shared(trace) if pair.flows else trace.probes) for trace in (pair.old, pair.new))
    least = 1 if pair.flows else ENOUGH_FLOWS
    seen = []
    for address, quotes in new.items():
        others = old.get(address, [])  # R1
        if len(quotes) >= least and len(others) >= least:  # R3
            hop = min(probe.ttl for probe in quotes)
            seen.append(Seen(hop, address, _showing(others, treatment), _showing(quotes, treatment)))
    return sorted(seen)


def _quotes(probes: Sequence[SavedProbe]) -> dict[str, list[SavedProbe]]:
    found: dict[str, list[SavedProbe]] = {}
    for probe in probes:
        if probe.kind in ("time-exceeded", "unreachable"):
            found.setdefault(probe.sender or "", []).append(probe)
    return found


def _showing(quotes: Sequence[SavedProbe], treatment: Treatment) -> tuple[int, int]:
    """How many of ``quotes`` show it, of how many."""
    shown = 0
    for probe in quotes:
        is_told_already = treatment.hidden_by in probe.changed  # R4
        shown += bool(probe.changed & treatment.fields) and not is_told_already
    return shown, len(quotes)


def _first(trace: SavedTrace, treatment: Treatment) -> SavedProbe | None:
    """The nearest quote that shows it."""
    quotes = [probe for each in _quotes(trace.probes).values() for probe in each]
    shown = [probe for probe in quotes if _showing([probe], treatment)[0]]
    return min(shown, key=lambda probe: probe.ttl, default=None)


def _difference(pair: Pair, treatment: Treatment, at: Seen, *, is_new: bool, is_clear: bool) -> Difference:
    where = f"before {place(at.hop, at.address)}"
    other = _first(pair.old if is_new else pair.new, treatment)
    elsewhere = f"before {place(other.ttl, other.sender)}" if other is not None else None
    was, now = (elsewhere, where) if is_new else (where, elsewhere)
    what = f"{treatment.subject} of our SYN is"
    if now is None:
        sentence = f"{what} no longer {treatment.done}; it was {was}."
    else:
        sentence = f"{what} {treatment.done} {now}; it was {was or 'not'}."
    return Difference(
        kind=Change.REWRITING,
        sentence=sentence,
        certainty=Certainty.CERTAIN if is_clear else Certainty.LIKELY,
        hop=at.hop,
        old=was,
        new=now,
    )
