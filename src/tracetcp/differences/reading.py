"""JSON object to ``SavedTrace``: reads what ``--json`` writes, and says why anything else is no trace. Pure.

Fields that a comparison does not need may be missing, and unknown ones are ignored, as docs/json.md tells
every reader to do.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from tracetcp.limits import LAST_TTL, PORTS
from tracetcp.model.saved_trace import NOT_TRACED, SavedProbe, SavedTrace, SavedVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMAS = range(1, 2)
"""The versions of the format that are understood."""
OUTCOMES = ("open", "closed", "unreachable", "not-reached", NOT_TRACED)
KINDS = ("time-exceeded", "unreachable", "syn-ack", "rst")
FLOWS = range(2**31)
TTLS = range(1, LAST_TTL + 1)


NONE: frozenset[str] = frozenset()


class NoTrace(ValueError):
    """A line that holds no trace; the text says why."""


def read_trace(line: bytes) -> SavedTrace:
    """The trace that one line of NDJSON holds; raises ``NoTrace``."""
    try:
        found = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise NoTrace(f"byte {error.start + 1} is not UTF-8") from None
    except RecursionError:
        raise NoTrace("it is nested too deeply for a trace") from None
    except ValueError as error:  # also a number with more digits than Python converts
        raise NoTrace(f"it is not JSON ({_reason(error)}); was it cut off?") from None
    return _trace(_Object(found))


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' starting at')} at character {error.pos + 1}"
    return "a number has too many digits"


class _Object:
    """A JSON object whose fields are read by type; it stands at ``name`` in ``holder``."""

    __slots__ = ("_fields", "_holder", "_name")

    def __init__(self, value: object, holder: _Object | None = None, name: str = "it") -> None:
        self._holder = holder
        self._name = name
        if not isinstance(value, dict):
            raise NoTrace(f"{self._path()} is not a JSON object")
        self._fields: dict[str, Any] = value

    def _path(self, field: str = "") -> str:
        """Where it, or a field of it, stands: as in ``hops[2].ttl``."""
        if self._holder is None:
            return field or self._name
        place = self._holder._path(self._name)  # noqa: SLF001 - of the same class
        return f"{place}.{field}" if field else place

    def text(self, name: str, default: str | None = None) -> str:
        value = self._fields.get(name, default)
        if not isinstance(value, str):
            self._refuse(name, "a text")
        return value

    def maybe_text(self, name: str) -> str | None:
        return None if self._fields.get(name) is None else self.text(name)

    def number(self, name: str, allowed: range, default: int | None = None) -> int:
        value = self._fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
            ends = f"{allowed[0]} to {allowed[-1]}"
            self._refuse(name, f"a number from {ends}" if len(allowed) > 1 else str(allowed[0]))
        return value

    def maybe_number(self, name: str, allowed: range) -> int | None:
        return None if self._fields.get(name) is None else self.number(name, allowed)

    def word(self, name: str, words: tuple[str, ...]) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str) or value not in words:
            self._refuse(name, f"one of {', '.join(words)}")
        return value

    def maybe_word(self, name: str, words: tuple[str, ...]) -> str | None:
        return None if self._fields.get(name) is None else self.word(name, words)

    def flag(self, name: str) -> bool:
        return self._fields.get(name) is True

    def object(self, name: str, *, is_needed: bool = True) -> _Object:
        return _Object(self._fields.get(name, None if is_needed else {}), self, name)

    def objects(self, name: str, *, is_needed: bool = True) -> Iterator[_Object]:
        values = self._fields.get(name, None if is_needed else [])
        if not isinstance(values, list):
            self._refuse(name, "a list")
        return (_Object(value, self, f"{name}[{index}]") for index, value in enumerate(values))

    def texts(self, name: str) -> frozenset[str]:
        values = self._fields.get(name)
        if not values and (values is None or isinstance(values, list)):
            return NONE
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            self._refuse(name, "a list of texts")
        return frozenset(values)

    def _refuse(self, name: str, wanted: str) -> NoReturn:
        state = "missing" if name not in self._fields else f"not {wanted}"
        raise NoTrace(f"it is no trace: {self._path(name)} is {state}")


def _trace(found: _Object) -> SavedTrace:
    found.number("schema", SCHEMAS)
    target, config = found.object("target"), found.object("config", is_needed=False)
    port = found.number("port", PORTS)
    outcome = found.word("outcome", OUTCOMES)
    start_hop = config.number("start_hop", TTLS, 1)
    max_hops = config.number("max_hops", TTLS, 30)
    end_ttl, probes = None, []
    for hop in found.objects("hops"):
        ttl = hop.number("ttl", TTLS)
        if hop.maybe_word("outcome", OUTCOMES[:3]):
            end_ttl = ttl
        probes += list(_probes(hop, "probes", port))
    probes += list(_probes(found, "other_probes", port))
    return SavedTrace(
        host=target.text("host"),
        address=(target.maybe_text("address") or "") if outcome == NOT_TRACED else target.text("address"),
        port=port,
        started_at=found.text("started_at", ""),
        outcome=outcome,
        end_ttl=end_ttl,
        start_hop=start_hop,
        last_ttl=min(start_hop + max_hops - 1, LAST_TTL),
        probes=tuple(probes),
        verdicts=tuple(_verdict(verdict) for verdict in found.objects("verdicts", is_needed=False)),
        source=found.maybe_text("source"),
        has_fixed_flows=config.maybe_number("source_port", PORTS) is not None,
        error=found.text("error", ""),
    )


def _probes(holder: _Object, name: str, port: int) -> Iterator[SavedProbe]:
    """The probes of ``port`` itself: controls and other ports tell nothing about its path."""
    for probe in holder.objects(name, is_needed=False):
        kind = probe.maybe_word("kind", KINDS)
        if probe.flag("control") or probe.number("port", PORTS) != port:
            continue
        more = [each.maybe_word("kind", KINDS) for each in probe.objects("more_replies", is_needed=False)]
        yield SavedProbe(
            probe.number("ttl", TTLS),
            probe.maybe_number("source_port", PORTS),
            kind,
            probe.text("sender") if kind else None,
            probe.maybe_text("origin"),
            probe.maybe_number("icmp_type", range(256)),
            probe.maybe_number("icmp_code", range(256)),
            probe.texts("changed"),
            probe.number("flow", FLOWS),
            frozenset(filter(None, more)) if more else NONE,
        )


def _verdict(found: _Object) -> SavedVerdict:
    return SavedVerdict(
        found.text("kind"),
        found.text("sentence"),
        found.maybe_number("hop", TTLS),
        found.maybe_text("address"),
    )
