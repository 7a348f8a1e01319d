"""The faults by name: what each does to a network, and where. Pure.

A fault stands at a hop that all flows pass, so that it is the same for each of them; where a network has no
place for it, the network is drawn without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hunting.paths import Draft, Values

NEARER = 3
"""Hops between an answer and the host that the program needs to tell them apart (``verdicts.nearness``)."""
REJECTIONS = {4: (2, 3, 9, 10, 13), 6: (1, 4, 5, 6)}
"""ICMP codes of firewalls that reject, and of routers that know no way."""
NO_WAY = {4: (0, 1, 5, 6, 7), 6: (0, 3)}
LONGEST_LOOP = 4


class Fault(NamedTuple):
    """What is wrong: ``name``, the ``hop`` that does it (0: the host, or nobody), and to which ``ports``.

    ``at_expiry``: also to a SYN whose TTL ends at the hop, which so does not say so. ``fields`` are the
    keys of a rewriting, ``code`` is that of an ICMP error by family.
    """

    name: str
    hop: int = 0
    ports: tuple[int, ...] = ()
    at_expiry: bool = False
    fields: tuple[str, ...] = ()
    code: tuple[int, int] = (0, 0)


NONE = Fault("none")


def apply(name: str, draft: Draft, port: int) -> Fault:
    """Give ``draft`` the fault called ``name`` on ``port``; ``NONE`` where it has no place for it."""
    return FAULTS[name](draft, port)


def set_state(draft: Draft, port: int, state: str) -> None:
    """Make ``port`` open, closed or silent at the host."""
    host = draft.destination
    for each in ("open", "closed", "silent"):
        host[each] = [other for other in host[each] if other != port]
    host[state].append(port)


def _none(draft: Draft, port: int) -> Fault:
    set_state(draft, port, "open")
    return NONE


def _port_closed(draft: Draft, port: int) -> Fault:
    set_state(draft, port, "closed")
    return Fault("port-closed")


def _port_silent(draft: Draft, port: int) -> Fault:
    """The host drops this port and answers at least one control."""
    set_state(draft, port, "silent")
    _answer_a_control(draft, port)
    return Fault("port-silent")


def _answer_a_control(draft: Draft, port: int) -> None:
    control = draft.chance.choice([each for each in (80, 443) if each != port])
    set_state(draft, control, draft.chance.choice(("open", "closed")))


def _host_silent(draft: Draft, _: int) -> Fault:
    draft.destination |= {"open": [], "closed": [], "silent": [], "others": "silent"}
    return Fault("host-silent")


def _host_down(draft: Draft, _: int) -> Fault:
    draft.destination |= {"down": True, "down_after": draft.chance.choice((0, 300, 1000, 3000))}
    return Fault("host-down")


def _drop(draft: Draft, port: int) -> Fault:
    return _rule(draft, port, "drop", {"action": "drop"}, draft.shared)


def _drop_all(draft: Draft, port: int) -> Fault:
    hop = draft.chance.choice(draft.shared)
    at_expiry = draft.chance.random() < 0.2
    _add(draft, hop, {"action": "drop", "expiring": at_expiry})
    set_state(draft, port, "open")
    return Fault("drop-all", hop, (), at_expiry)


def _reject(draft: Draft, port: int) -> Fault:
    return _unreachable(draft, port, "reject", REJECTIONS)


def _no_way(draft: Draft, port: int) -> Fault:
    return _unreachable(draft, port, "no-way", NO_WAY)


def _unreachable(draft: Draft, port: int, name: str, codes: dict[int, tuple[int, ...]]) -> Fault:
    hops = [hop for hop in draft.shared if not draft.hops[hop - 1].get("silent")]
    if not hops:
        return _none(draft, port)
    code, code6 = draft.chance.choice(codes[4]), draft.chance.choice(codes[6])
    rule = {"action": "unreachable", "code": code, "code6": code6}
    return _rule(draft, port, name, rule, hops)._replace(code=(code, code6))


def _rule(draft: Draft, port: int, name: str, rule: Values, hops: Sequence[int]) -> Fault:
    """A rule of a firewall, for the port alone or for a few others too."""
    chance = draft.chance
    hop, at_expiry = chance.choice(hops), chance.random() < 0.2
    ports = (port, *(chance.sample((80, 443, 445, 46_137), 1) if chance.random() < 0.25 else ()))
    _add(draft, hop, rule | {"ports": list(ports), "expiring": at_expiry})
    set_state(draft, port, chance.choice(("open", "open", "closed")))
    return Fault(name, hop, ports, at_expiry)


def _rst_injected(draft: Draft, port: int) -> Fault:
    return _answer(draft, port, "rst-injected", "rst", is_injected=True, hops=draft.shared)


def _syn_ack_injected(draft: Draft, port: int) -> Fault:
    return _answer(draft, port, "syn-ack-injected", "syn-ack", is_injected=True, hops=draft.shared)


def _rst(draft: Draft, port: int) -> Fault:
    return _answer(draft, port, "rst", "rst", hops=_far_from_host(draft))


def _rst_near(draft: Draft, port: int) -> Fault:
    return _answer(draft, port, "rst-near", "rst", hops=_near_host(draft))


def _proxy(draft: Draft, port: int) -> Fault:
    return _answer(draft, port, "proxy", "syn-ack", hops=_far_from_host(draft))


def _proxy_near(draft: Draft, port: int) -> Fault:
    return _answer(draft, port, "proxy-near", "syn-ack", hops=_near_host(draft))


def _far_from_host(draft: Draft) -> list[int]:
    return [hop for hop in draft.shared if _nearest(draft) - hop >= NEARER]


def _near_host(draft: Draft) -> list[int]:
    return [hop for hop in draft.shared if _nearest(draft) - hop < NEARER]


def _nearest(draft: Draft) -> int:
    """The host's distance on the shortest path."""
    shorter = 0
    if draft.branching:
        first, last, hops = draft.branching
        shorter = max(0, last - first + 1 - len(hops))
    return draft.length + 1 - shorter


def _answer(
    draft: Draft, port: int, name: str, action: str, *, hops: Sequence[int], is_injected: bool = False
) -> Fault:
    """A box that answers in the host's name, for the port alone or for a control too."""
    chance = draft.chance
    if not hops:
        return _none(draft, port)
    hop, at_expiry = chance.choice(hops), chance.random() < 0.7
    ports = (port, *(chance.sample((80, 443, 445), 1) if chance.random() < 0.25 else ()))
    rule: Values = {"action": action, "ports": list(ports), "expiring": at_expiry, "injected": is_injected}
    if chance.random() < 0.5:
        rule["ttl"] = chance.choice((128, 255))
    if chance.random() < 0.3:
        rule["mss"] = chance.choice((1400, 1380, 0))
    _add(draft, hop, rule)
    set_state(draft, port, chance.choice(("open", "open", "closed")))
    _answer_a_control(draft, port)
    return Fault(name, hop, ports, at_expiry)


def _loop(draft: Draft, port: int) -> Fault:
    """The path comes back from its last hop to one before: two hops at least, none of them silent."""
    if draft.branching or len(draft.shared) < draft.length or draft.length < 2:
        return _none(draft, port)
    hop = draft.length - draft.chance.randint(1, min(LONGEST_LOOP, draft.length) - 1)
    draft.top["loop"] = hop
    for each in draft.hops[hop - 1 :]:
        each.pop("silent", None)
        each.pop("loss", None)
    return Fault("loop", hop)


NATS: tuple[tuple[str, ...], ...] = (
    ("source",), ("source", "source_port"), ("source_port",), ("destination",),
    ("destination", "destination_port"), ("destination_port",), ("source", "ip_id"), ("source", "sequence"),
    ("source", "destination"),
)  # fmt: skip
"""What NATs, load balancers and their pairs rewrite."""
QUIET = (("sequence",), ("ip_id",), ("ttl",), ("flow_label",))
"""Rewritten too, but no finding of the program's."""
NEW_VALUES: Values = {
    "source": "192.0.2.77",
    "source6": "2001:db8:77::1",
    "destination": "192.0.2.88",
    "destination6": "2001:db8:88::1",
    "source_port": "+7",
    "destination_port": "+1",
    "sequence": "+123456",
    "ip_id": "+4321",
    "ttl": 9,
    "flow_label": "+5",
}


def _nat(draft: Draft, port: int) -> Fault:
    fields = draft.chance.choice(NATS)
    new = {key: NEW_VALUES[key] for key in NEW_VALUES if key.rstrip("6") in fields}
    return _rewrite(draft, port, "nat", new, fields)


def _quiet(draft: Draft, port: int) -> Fault:
    fields = draft.chance.choice(QUIET)
    return _rewrite(draft, port, "quotes", {key: NEW_VALUES[key] for key in fields}, fields)


def _mss(draft: Draft, port: int) -> Fault:
    return _rewrite(draft, port, "mss", {"mss": draft.chance.choice((1300, 1380, 1400))}, ("mss",))


def _options(draft: Draft, port: int) -> Fault:
    kinds = draft.chance.choice(([3], [4], [3, 4]))
    return _rewrite(draft, port, "options", {"strip": kinds}, ("strip",))


def _dscp(draft: Draft, port: int) -> Fault:
    return _rewrite(draft, port, "dscp", {"tos": draft.chance.choice((0x20, 0x48, 0xB8))}, ("tos",))


def _ecn(draft: Draft, port: int) -> Fault:
    return _rewrite(draft, port, "ecn", {"tos": draft.chance.choice((1, 2, 3))}, ("tos",))


def _rewrite(draft: Draft, port: int, name: str, new: Values, fields: tuple[str, ...]) -> Fault:
    hop = draft.chance.choice(draft.shared)
    draft.hops[hop - 1]["rewrite"] = new
    set_state(draft, port, draft.chance.choice(("open", "open", "closed")))
    return Fault(name, hop, (), fields=fields)


def _add(draft: Draft, hop: int, rule: Values) -> None:
    draft.hops[hop - 1]["rule"] = [rule]


FAULTS: dict[str, Callable[[Draft, int], Fault]] = {
    "none": _none,
    "port-closed": _port_closed,
    "port-silent": _port_silent,
    "host-silent": _host_silent,
    "host-down": _host_down,
    "drop": _drop,
    "drop-all": _drop_all,
    "reject": _reject,
    "no-way": _no_way,
    "rst": _rst,
    "rst-near": _rst_near,
    "rst-injected": _rst_injected,
    "proxy": _proxy,
    "proxy-near": _proxy_near,
    "syn-ack-injected": _syn_ack_injected,
    "loop": _loop,
    "nat": _nat,
    "quotes": _quiet,
    "mss": _mss,
    "options": _options,
    "dscp": _dscp,
    "ecn": _ecn,
}
