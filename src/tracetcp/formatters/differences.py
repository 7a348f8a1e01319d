"""What changed between two runs, as text and as JSON. Pure; docs/json.md describes the objects.

Every text that a file may hold is written as printable ASCII: whoever can write a name can write an escape
code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tracetcp.formatters.json import json_line

if TYPE_CHECKING:
    from tracetcp.model.difference import Comparison, Difference
    from tracetcp.model.saved_trace import SavedTrace

SCHEMA_VERSION = 1


class DifferencesFormatter(Protocol):
    """Turns comparisons into text."""

    def render(self, comparison: Comparison) -> str:
        """The text of one target; may be empty."""

    def closing(self) -> str:
        """What follows the last target."""


class TextDifferences:
    """A paragraph for each target that differs, and a line that counts."""

    def __init__(self) -> None:
        self._targets = self._different = self._uncompared = 0

    def render(self, comparison: Comparison) -> str:
        """See ``DifferencesFormatter``."""
        self._targets += 1
        self._uncompared += not comparison.has_shared_flows
        if not comparison.differences:
            return ""
        self._different += 1
        lines = [f"  {_plain(each.sentence)} [{each.certainty.value}]\n" for each in comparison.differences]
        return _title(comparison.target) + "\n" + "".join(lines) + "\n"

    def closing(self) -> str:
        """See ``DifferencesFormatter``."""
        differing = (
            f"{self._different} differ{'s' if self._different == 1 else ''}" if self._different else ""
        )
        text = f"{_count(self._targets)} compared: {differing or 'no difference'}.\n"
        if self._uncompared:
            text += (
                f"The hops of {_count(self._uncompared)} were not compared: no source port is in both runs. "
                "Give both the same --source-port.\n"
            )
        return text


class JsonDifferences:
    """One object a target, on one line, whether it differs or not."""

    def render(self, comparison: Comparison) -> str:
        """See ``DifferencesFormatter``."""
        found = {
            "schema": SCHEMA_VERSION,
            "host": comparison.target.host,
            "port": comparison.target.port,
            "old": _side(comparison.old),
            "new": _side(comparison.new),
            "hops_compared": comparison.has_shared_flows
            and comparison.old is not None
            and comparison.new is not None
            and comparison.old.is_traced
            and comparison.new.is_traced
            and comparison.old.address == comparison.new.address,
            "differences": [_difference(each) for each in comparison.differences],
        }
        return json_line(found)

    def closing(self) -> str:
        """Empty: nothing follows the last object."""
        return ""


def _side(trace: SavedTrace | None) -> dict[str, object] | None:
    if trace is None:
        return None
    return {
        "address": trace.address or None,
        "started_at": trace.started_at,
        "outcome": trace.outcome,
        "distance": trace.end_ttl if trace.is_reached else None,
    }


def _difference(difference: Difference) -> dict[str, object]:
    return {
        "kind": difference.kind.value,
        "sentence": difference.sentence,
        "certainty": difference.certainty.value,
        "hop": difference.hop,
        "old": difference.old,
        "new": difference.new,
    }


def _title(trace: SavedTrace) -> str:
    """The target as one would type it, and its address where that is another word."""
    host = f"[{trace.host}]" if ":" in trace.host else trace.host
    address = "" if trace.address in ("", trace.host) else f" ({trace.address})"
    return _plain(f"{host}:{trace.port}{address}")


def _count(targets: int) -> str:
    return f"{targets} target{'' if targets == 1 else 's'}"


def _plain(text: str) -> str:
    """``text`` in printable ASCII; whatever else is in it is written as an escape."""
    return "".join(
        each if " " <= each <= "~" else each.encode("unicode_escape").decode("ascii") for each in text
    )
