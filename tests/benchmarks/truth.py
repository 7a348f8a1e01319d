"""Checks a program's output against the network. Pure: text in, a complaint or an empty text out."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Check = Callable[[str], str]
    """Takes the output of a program and returns what is wrong with it, or an empty text."""

HOP = re.compile(r"^ *(\d+)(?:\.\||\s)")
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
SCANNED = re.compile(
    r"^\[[\d.]+:(\d+)\]\s+1 [\s*]*(?:Dest\. in \d+ ms\. Port (OPEN|CLOSED)|(Request timed out))"
)
TRACED = re.compile(r"^\[[\d.]+:(\d+)\]\s+3 [\s*]*(?:\d+ ms\s+([\d.]+)|(Request timed out))")
NMAP_PORT = re.compile(r"^(\d+)/tcp +(\S+)", re.MULTILINE)
NMAP_REST = re.compile(r"(\d+) (closed|filtered) tcp ports")


def contains(text: str) -> Check:
    """The output contains ``text``."""
    return lambda out: "" if text in out else f"does not say {text!r}"


def both(*checks: Check) -> Check:
    """All of ``checks``; returns the first complaint."""
    return lambda out: next(filter(None, (check(out) for check in checks)), "")


def path(hops: Sequence[str]) -> Check:
    """The output has these addresses hop by hop, and no others; an empty address is a silent hop."""

    def check(out: str) -> str:
        found = {int(match[1]): line for line in out.splitlines() if (match := HOP.match(line))}
        if len(found) != len(hops):
            return f"{len(found)} hops instead of {len(hops)}"
        for number, address in enumerate(hops, 1):
            seen = set(ADDRESS.findall(found.get(number, "")))
            if seen != ({address} if address else set()):
                return f"hop {number} is {', '.join(sorted(seen)) or 'silent'}, not {address or 'silent'}"
        return ""

    return check


def scanned(states: Mapping[int, str]) -> Check:
    """The output of tracetcp has every port once, in order, as ``open``, ``closed`` or ``silent``."""

    def check(out: str) -> str:
        rows = [match for line in out.splitlines() if (match := SCANNED.match(line))]
        if [int(row[1]) for row in rows] != list(states):
            return f"{len(rows)} ports in order instead of {len(states)}"
        wrong = [port for row in rows if states[port := int(row[1])] != (row[2] or "silent").lower()]
        return f"{len(wrong)} ports wrong, the first {wrong[0]}" if wrong else ""

    return check


def nmapped(states: Mapping[int, str]) -> Check:
    """The output of nmap has the open ports by number and the others by count."""

    def check(out: str) -> str:
        listed = {int(port): state for port, state in NMAP_PORT.findall(out)}
        counts = Counter(listed.values())
        for count, state in NMAP_REST.findall(out):
            counts[state] += int(count)
        expected = Counter("filtered" if state == "silent" else state for state in states.values())
        wrong = [state for state in expected | counts if expected[state] != counts[state]]
        if wrong:
            return ", ".join(f"{counts[state]} {state} instead of {expected[state]}" for state in wrong)
        missing = [port for port, state in states.items() if state == "open" and listed.get(port) != "open"]
        return f"port {missing[0]} is open" if missing else ""

    return check


def traced(ports: range, address: str, silent: set[int]) -> Check:
    """The output has one row at TTL 3 for every port: ``address``, or a star for the ``silent`` ones."""

    def check(out: str) -> str:
        rows = [match for line in out.splitlines() if (match := TRACED.match(line))]
        found = [(int(row[1]), row[2] or "") for row in rows]
        expected = [(port, "" if port in silent else address) for port in ports]
        return "" if found == expected else f"{set(found) ^ set(expected)} differ"

    return check
