"""A network in one line.

    network("1ms 2ms~5 * 10ms!:3 20ms[drop 135] | open 80,443 | others silent | rtt 30", loss=0.1)

Before the first bar the hops, in order:
    10ms            a router with that round trip time (``0.3ms`` works; ``ms`` may be left out)
    *  *10ms        a silent one
then, in any order and without blanks:
    ~5              jitter of up to 5 ms
    :3              three routers, chosen by flow
    !               rate-limited as Linux is
    =8              quotes 8 bytes of TCP
    [drop 135]      a rule: action and ports; ``[unreachable 13 80]`` and ``[notice 5 80]`` have a code or
                    type between them; several rules stand in several brackets, no ports means all
    @               answers from the destination's own address
    20x5ms          twenty hops of 5 ms
Behind the bars keys of the destination table with their values, flags without: ``open 80,443``, ``down``,
``once``, ``again linux``. Keyword arguments are further top-level keys of the scenario (see ``scenario``),
``hop_3={...}`` further keys of hop 3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from internet.scenario import Scenario
from internet.tables import ScenarioError

if TYPE_CHECKING:
    from internet.tables import Values

_HOP = re.compile(r"(?:(?P<count>\d+)x)?(?P<silent>\*)?(?P<rtt>\d+(?:\.\d+)?)?(?:ms)?(?P<marks>.*)")
_MARK = re.compile(
    r"~(?P<jitter>[\d.]+)|:(?P<routers>\d+)|(?P<limit>!)|=(?P<quote>\d+)|(?P<own>@)|\[(?P<rule>[^]]*)\]"
)
_WORD = re.compile(r"(?:\[[^]]*\]|\S)+")
_NUMBERED = {"unreachable": "code", "notice": "type"}
_NUMBERS = ("rtt", "jitter", "loss", "refuse_ttl", "duplicates", "down_after", "ttl", "window", "mss")
_FLAGS = ("down", "once", "retransmit", "wrong_ack")


def network(notation: str, **table: Any) -> Scenario:
    """The network that ``notation`` and ``table`` describe; raises ``ScenarioError``."""
    path, *destination = notation.split("|")
    hops = [_hop(word) for word in _WORD.findall(path)]
    for key in [key for key in table if re.fullmatch(r"hop_\d+", key)]:
        place = int(key[4:])
        if not 1 <= place <= len(hops):
            raise ScenarioError(f"{notation!r}: it has {len(hops)} hops, so there is no {key}")
        hops[place - 1] |= table.pop(key)
    values = {"hop": hops, "destination": dict(map(_setting, destination)) | table.pop("destination", {})}
    return Scenario.of(values | table, f"{notation!r}")


def _hop(word: str) -> Values:
    found = _HOP.fullmatch(word)
    marks = found["marks"] if found else "?"
    if found is None or _MARK.sub("", marks) or not (found["silent"] or found["rtt"]):
        raise ScenarioError(f"{word!r} is no hop: write 10ms, * or 10ms~5:2![drop 80]")
    hop: Values = {"rule": []}
    if found["count"]:
        hop["count"] = int(found["count"])
    if found["silent"]:
        hop["silent"] = True
    if found["rtt"]:
        hop["rtt"] = float(found["rtt"])
    for mark in _MARK.finditer(marks):
        _apply(mark, hop)
    return hop


def _apply(mark: re.Match[str], hop: Values) -> None:
    if mark["jitter"]:
        hop["jitter"] = float(mark["jitter"])
    elif mark["routers"]:
        hop["routers"] = int(mark["routers"])
    elif mark["limit"]:
        hop["limit"] = "linux"
    elif mark["quote"]:
        hop["quote"] = int(mark["quote"])
    elif mark["own"]:
        hop["address"] = "destination"
    else:
        hop["rule"].append(_rule(mark["rule"]))


def _rule(text: str) -> Values:
    action, *words = text.split() or [""]
    rule: Values = {"action": action}
    if action in _NUMBERED and words:
        number = int(words.pop(0))
        rule[_NUMBERED[action]] = number
        if action == "unreachable":
            rule["code6"] = number
    if words:
        rule["ports"] = words.pop(0)
    if words:
        raise ScenarioError(f"[{text}]: {words[0]!r} is too much")
    return rule


def _setting(text: str) -> tuple[str, Any]:
    key, _, value = text.strip().partition(" ")
    if key in _FLAGS:
        return key, True
    if key in _NUMBERS:
        number = float(value)
        return key, int(number) if number.is_integer() else number
    return key, value.strip()
