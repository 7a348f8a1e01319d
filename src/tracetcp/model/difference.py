"""What differs between two traces of one target, and what could not be compared. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetcp.model.saved_trace import SavedTrace
    from tracetcp.model.verdict import Certainty


class Change(Enum):
    """What changed; the values are the words of the JSON output."""

    ONLY_IN_OLD = "only-in-old"
    ONLY_IN_NEW = "only-in-new"
    ADDRESS = "address"
    OUTCOME = "outcome"
    BREAK = "break"
    DISTANCE = "distance"
    PATH = "path"
    AS_PATH = "as-path"
    REWRITING = "rewriting"
    PACKET_SIZE = "packet-size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One change.

    ``hop`` says where, None where that is no single hop; ``old`` and ``new`` are its values.
    """

    kind: Change
    sentence: str
    certainty: Certainty
    hop: int | None = None
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A target's traces in both runs, one of which may be missing, and what differs.

    ``has_shared_flows`` is False where the paths could not be compared, because no probe of one trace went
    the way that another of the other trace was bound to go.
    """

    old: SavedTrace | None
    new: SavedTrace | None
    differences: tuple[Difference, ...] = ()
    has_shared_flows: bool = True

    @property
    def target(self) -> SavedTrace:
        """The trace that names the target: the newer one, where there are both."""
        found = self.new or self.old
        assert found is not None, "a target is in one of the runs"
        return found
