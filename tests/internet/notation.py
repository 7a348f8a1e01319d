"""A network in one line.

    network("1ms 2ms~5 * 10ms!:3 20ms[drop 135] | open 80,443 | others silent | rtt 30", loss=0.1)

Before the first bar the hops, in order:
    10ms            a router with that round trip time (``0.3ms`` works; ``ms`` may be left out)
    *  *10ms        a silent one
then, in any order and without blanks:
    ~5              jitter of up to 5 ms
    :3              three routers, chosen by flow
    !  !2           rate-limited as Linux is over IPv4; two errors at once instead of six
    =8              quotes 8 bytes of TCP
    [drop 135]      a rule: action and ports; ``[unreachable 13 80]`` and ``[notice 5 80]`` have a code or
                    type between them; each rule has brackets of its own; without ports it is for all.
                    ``[injected rst 80]`` lets the SYN pass, ``[passing rst 80]`` ignores a SYN whose TTL
                    ends there
    @               answers from the destination's own address
    20x5ms          twenty hops of 5 ms
A slash begins another path, which shares the flows with the first: ``1 2 3 / 1 2 3 4``. Its routers have
other addresses: 10.N.2.1 is hop N of the second path.
After the bars come keys of the destination table with their values (flags have none): ``open 80,443``,
``down``, ``once``, ``again linux``, ``resets 200`` (so many a second, and as many at once).
Keyword arguments are further top-level keys of the scenario (see ``scenario``), ``hop_3={...}`` further keys
of hop 3, ``route_2={...}`` further keys of the second path.
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
    r"~(?P<jitter>[\d.]+)|:(?P<routers>\d+)|(?P<limit>!\d*)|=(?P<quote>\d+)|(?P<own>@)|\[(?P<rule>[^]]*)\]"
)
_WORD = re.compile(r"(?:\[[^]]*\]|\S)+")
_NUMBERED = {"unreachable": "code", "notice": "type"}
_ADJECTIVES = {"injected": ("injected", True), "passing": ("expiring", False)}
_NUMBERS = ("rtt", "jitter", "loss", "refuse_ttl", "duplicates", "down_after", "ttl", "window", "mss")
_FLAGS = ("down", "once", "retransmit", "wrong_ack")


def network(notation: str, **table: Any) -> Scenario:
    """The network that ``notation`` and ``table`` describe; raises ``ScenarioError``."""
    paths, *destination = notation.split("|")
    routes = [[_hop(word) for word in _WORD.findall(path)] for path in paths.split("/")]
    hops = routes[0]
    further = [
        {"hop": [_on_path(path, *hop) for hop in enumerate(route, 1)]}
        for path, route in enumerate(routes[1:], 2)
    ]
    _add(table, "hop", hops, 1, notation)
    _add(table, "route", further, 2, notation)
    values = {"hop": hops, "destination": dict(map(_setting, destination)) | table.pop("destination", {})}
    if further:
        values["route"] = further
    return Scenario.of(values | table, f"{notation!r}")


def _on_path(path: int, number: int, hop: Values) -> Values:
    """Hop ``number`` of a further path, with its addresses on that path."""
    if "count" in hop or "routers" in hop:
        raise ScenarioError(f"path {path}, hop {number}: on a further path each hop is one router")
    return {"address": f"10.{number}.{path}.1", "address6": f"fd00:{number:x}:{path:x}::1"} | hop


def _add(table: Values, name: str, places: list[Values], first: int, notation: str) -> None:
    """Move the keys NAME_PLACE of ``table`` into ``places``, the first of which has the number ``first``."""
    for key in [key for key in table if re.fullmatch(rf"{name}_\d+", key)]:
        place = int(key.rpartition("_")[2]) - first
        if not 0 <= place < len(places):
            raise ScenarioError(
                f"{notation!r}: it has {len(places) + first - 1} {name}s, so there is no {key}"
            )
        places[place] |= table.pop(key)


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
        burst = mark["limit"][1:]
        hop["limit"] = {"burst": int(burst), "per_second": 1} if burst else "linux"
    elif mark["quote"]:
        hop["quote"] = int(mark["quote"])
    elif mark["own"]:
        hop["address"] = "destination"
    else:
        hop["rule"].append(_rule(mark["rule"]))


def _rule(text: str) -> Values:
    words = text.split() or [""]
    rule: Values = {}
    while words and words[0] in _ADJECTIVES:
        key, value = _ADJECTIVES[words.pop(0)]
        rule[key] = value
    action, *words = words or [""]
    rule["action"] = action
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
    if key == "resets":
        return key, {"burst": int(value), "per_second": int(value)}
    return key, value.strip()
