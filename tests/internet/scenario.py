"""The description of a simulated network: frozen values, read from tables and checked.

A scenario is a TOML file (``load``), a Python table of the same shape (``Scenario.of``), or one line of
notation (``notation.network``). Durations are written in milliseconds and kept in seconds; a missing key has
the default in brackets. Errors say which table is wrong and what is allowed there.

Top level
    title               what the scenario shows
    command ["TARGET"]  the program's command line: options, and ports after TARGET, which is the
                        destination's address, as in "-p 1 -r 130 140 TARGET" or "TARGET:25,80"
    expect              list of the rows that the command shows of this network (``expectation`` has the
                        notation); over IPv6 each address becomes the IPv6 address of the same place
    expect6             the rows over IPv6 if they differ
    seed [0]            of all chance: equal seeds and equal SYNs give equal networks
    loss_out [0], loss_back [0], loss      chance of a packet to be lost on the way out, back, both
    client ["198.18.0.2"], client6 ["2001:db8:ffff::2"]     the addresses of the probing program
    defaults            a hop table whose keys hold for every hop without its own
    hop                 list of hop tables: the path; its last hop is the last router
    route               list of further paths (below)
    by_packet           hops (numbers) that choose among their routers for each packet, not for each flow
    loop                number of a hop: after the last hop the path continues there, again and again
    destination, bottleneck, noise, dns    tables (below)

Hop (``[[hop]]``), in order of distance
    address, address6   of the router [made from the hop's number]; "destination" means the target's
    name                the reverse DNS name of the addresses [none]
    rtt [1]             round trip time; the SYNs to one port use the values of a list in turn
    port_rtt            table: port -> rtt
    jitter [0]          up to this much is added to every rtt, so answers may overtake each other
    delay [0]           this much is added to every rtt of what lies beyond
    loss_out, loss_back, loss      chance to lose a packet that passes here
    silent [false]      sends nothing, forwards everything
    limit               ICMP errors: "linux" (6 at once, then 1 per second; IPv6 10 per second),
                        { burst, per_second }, or "none" [none]
    quote ["full"]      TCP bytes quoted, 8 to 60
    labels              list of MPLS { label, traffic_class [0], ttl [1] } sent with every error
    extension ["rfc4884"]   or "legacy": length field unused
    reply_ttl [255]     TTL its errors start with
    duplicates [0]      further copies of every answer
    rewrite             table: what it changes in SYNs that enter, as later quotes show: source, destination,
                        source6, destination6 (addresses), source_port, destination_port, sequence, ip_id,
                        tos, mss, ttl, flow_label (a number, or text "+7": that much more); strip (kinds of
                        TCP options that become padding: 3, 4, 8). Answers of the destination come as if it
                        were undone
    conntrack [false]   a stateful firewall: of the SYNs of one flow, only one gets its answer through
    mtu, mtu_back       largest packet (bytes) on the link behind the hop, and from there to here [any]
    quiet [false]       says nothing of a packet that is too large
    forgets             seconds of silence after which it knows a connection no more [never]
    forgotten ["drop"]  what it does then with what belongs to it: "drop", "rst" (in the destination's name),
                        "unreachable" (an ICMP error), "nat" (it passes from another address, which the
                        destination does not know); or "close": it resets the connection by itself
    unrelated [false]   does it keep back ICMP errors about connections?
    words               table: what it does about words (``devices``)
                        (these seven concern connections alone: ``sessions``)
    rule                list of rules for SYNs that pass (below)
    routers [1]         number of such routers, chosen by hash of the 5-tuple
    router              instead: list of tables with the keys above, which override the hop's
    next                routers of the next hop (numbers from 1) to which this one has a link [all]
    count [1], step [0] this many hops like this one in a row, the rtt of each ``step`` larger

Rule (``[[hop.rule]]``): the first that fits ends the path of a SYN, except rules that let it pass
    ports ["all"]       the destination ports to which it applies
    action ["drop"]     "drop"; "rst" and "syn-ack": an answer in the destination's name; "unreachable": an
                        ICMP error with ``code``; "notice": an ICMP message of ``type`` and ``code``, the SYN
                        passes
    code [13], code6 [1], type [5]     of ICMP and ICMPv6 (unreachable is type 3 and 1)
    injected [false]    an answer by a listener beside the path: the SYN passes
    expiring            does it act on a SYN whose TTL ends here? Linux checks the TTL before it filters:
                        [false], but [true] for packets addressed to somebody here: "rst", "syn-ack"
    ttl [64], window, mss, wrong_ack     as for the destination

Route (``[[route]]``)
    hop                 as above
    since [0]           from this instant (milliseconds after the first SYN) on it replaces the paths above it
    attempt [1]         it replaces them from SYN number ``attempt`` of a TTL and port on
                        without either: it shares the flows with the path above

Destination
    address ["203.0.113.80"], address6 ["2001:db8::80"], name
    rtt [of the last hop], port_rtt, jitter, loss      as for a hop
    open [80], closed, silent, others ["closed"]     ports, and the state of all others
    down [false]        it does not exist: the last router says host unreachable after ``down_after`` [3000]
    refuse_ttl [0]      SYNs that arrive with a TTL up to this are answered with RST, on any port
    again ["answer"]    to another SYN of a flow that it answered with SYN-ACK: "answer", "silent", "rst",
                        "challenge" (a challenge ACK), "linux" (RST in the window, else a challenge ACK at
                        most twice a second, until the client's RST closes the connection)
    resets ["none"]     RSTs: { burst, per_second } as for a hop's limit; the BSDs send 200 a second
    once [false]        only the first SYN of a flow is answered at all, closed ports included
    duplicates [0], wrong_ack [false]     copies of every answer; each after one with a wrong acknowledgement
    retransmit [false]  SYN-ACKs again after 1, 3, 7... seconds until the client's RST
    ttl [64], window [65160], mss [1460]     of its answers
    answer [5000]       bytes that it answers to a request over a connection
    ack_delay [0]       milliseconds until it acknowledges what it has nothing to answer to
    ends [false]        does it end a connection once it has answered?
    greeting [0]        bytes that it says unasked
    says [""]           how its answers begin
    refuses, refusal    words that it answers with ``refusal`` alone: "alert", "close" or "reset"
    closes, aborts      seconds of silence after which it ends a connection with FIN, with RST [never]
    keepalive           seconds of silence after which it asks whether the other side lives [never]

Bottleneck: ``hop`` [1], ``rate`` packets per second after it; ``queue`` [100] packets wait, others are lost
Noise (TUN only): ``per_second`` [0] packets that answer nothing, of all ``kinds`` in ``noise.KINDS``
DNS (TUN only): ``delay`` [0] of answers; ``names``: table address -> name, or a list of names;
``delays``: address or name -> milliseconds; ``failures``: address or name -> "servfail", "refused",
"nxdomain", "timeout" or "garbage"; ``hosts``: table name -> addresses [those of the destination's ``name``];
``texts``: table name -> TXT records
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from internet.devices import Device, read_device
from internet.expectation import read_rows
from internet.tables import EVERY_PORT, ScenarioError, Table, Values
from tracetcp.model import MplsLabel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from internet.expectation import Row

DESTINATION = {4: "203.0.113.80", 6: "2001:db8::80"}
CLIENT = {4: "198.18.0.2", 6: "2001:db8:ffff::2"}
SCENARIOS = Path(__file__).parent / "scenarios"
RECEIVE_WINDOW = 65_160
LONGEST_PATH = 255
FULL_QUOTE = 60
"""The longest TCP header, in bytes: a quote of this length has all of it."""

ANSWERING = ("rst", "syn-ack")
ACTIONS = ("drop", *ANSWERING, "unreachable", "notice")
AGAIN = ("answer", "silent", "rst", "challenge", "linux")
FORGOTTEN = ("drop", "rst", "unreachable", "nat", "close")
STATES = ("closed", "open", "silent")
REFUSALS = ("alert", "close", "reset")
FAILURES = ("servfail", "refused", "nxdomain", "timeout", "garbage")
NUMBERS_REWRITTEN = (
    "source_port", "destination_port", "sequence", "ip_id", "tos", "mss", "ttl", "flow_label",
)  # fmt: skip
STRIPPABLE = (3, 4, 8)
"""Window scale, SACK permitted, timestamps: what middleboxes take out of SYNs (the MSS they rewrite)."""


class Limit(NamedTuple):
    """A token bucket like Linux's ``inet_peer_xrlim_allow``: a refusal takes no token."""

    burst: int
    per_second: float


LINUX_LIMIT = {4: Limit(6, 1), 6: Limit(6, 10)}


class Stack(NamedTuple):
    """The properties of a TCP stack's answers."""

    ttl: int = 64
    window: int = RECEIVE_WINDOW
    mss: int = 1460
    wrong_ack: bool = False


class Link(NamedTuple):
    """What a hop does to the packets of connections; ``mtu`` and ``mtu_back`` 0: takes any size."""

    mtu: int = 0
    mtu_back: int = 0
    is_quiet: bool = False
    forgets: float = inf
    forgotten: str = "drop"
    is_unrelated: bool = False
    device: Device | None = None


class Service(NamedTuple):
    """How the destination speaks over connections; see the format above."""

    answer: int = 5000
    ack_delay: float = 0.0
    ends: bool = False
    greeting: int = 0
    says: bytes = b""
    refuses: bytes = b""
    refusal: str = "alert"
    closes: float = inf
    aborts: float = inf
    keepalive: float = inf


UNLIMITED = Link()
USUAL_SERVICE = Service()


class Rule(NamedTuple):
    """A rule of a hop for some SYNs; see the format above."""

    ports: frozenset[int]
    action: str
    codes: Mapping[int, int]
    icmp_type: int
    is_injected: bool
    acts_on_expiring: bool
    stack: Stack


class Rewrite(NamedTuple):
    """Changes of quoted SYNs: field -> (number, whether it is added), and addresses by family.

    ``stripped`` are kinds of TCP options.
    """

    numbers: Mapping[str, tuple[int, bool]]
    sources: Mapping[int, str]
    destinations: Mapping[int, str]
    stripped: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """One router. ``rtts`` are seconds; ``limits`` and ``addresses`` are by family."""

    addresses: Mapping[int, str]
    name: str
    rtts: tuple[float, ...]
    port_rtts: Mapping[int, float]
    jitter: float
    loss_out: float
    loss_back: float
    is_silent: bool
    limits: Mapping[int, Limit]
    quote: int
    labels: tuple[MplsLabel, ...]
    is_legacy: bool
    reply_ttl: int
    duplicates: int
    rewrite: Rewrite | None
    tracks: bool
    rules: tuple[Rule, ...]
    links: tuple[int, ...]
    link: Link = UNLIMITED
    delay: float = 0.0

    @property
    def touches(self) -> bool:
        """Whether it may change or drop a SYN that passes."""
        return bool(
            self.loss_out or self.loss_back or self.rewrite or self.tracks or self.rules or self.delay
        )


class Route(NamedTuple):
    """One path: the routers of each hop, and from when on it is used."""

    hops: tuple[tuple[Router, ...], ...]
    since: float
    attempt: int

    @property
    def replaces(self) -> bool:
        """Whether it replaces the routes before it, from some moment on."""
        return self.since > 0 or self.attempt > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The host at the end. ``rtt`` is None if it is that of the last hop."""

    addresses: Mapping[int, str]
    name: str
    rtts: tuple[float, ...]
    port_rtts: Mapping[int, float]
    jitter: float
    loss_out: float
    loss_back: float
    open: frozenset[int]
    silent: frozenset[int]
    down_after: float | None
    refuse_ttl: int
    resets: Mapping[int, Limit]
    again: str
    once: bool
    duplicates: int
    retransmits: bool
    stack: Stack
    service: Service = USUAL_SERVICE

    @property
    def remembers(self) -> bool:
        """Whether an answer depends on earlier SYNs."""
        return self.once or self.again != "answer" or self.retransmits or bool(self.resets)


class Bottleneck(NamedTuple):
    """A slow link after ``hop``: ``rate`` packets per second; ``queue`` packets can wait."""

    hop: int
    rate: float
    queue: int


class Noise(NamedTuple):
    """Packets that answer nothing."""

    per_second: float
    kinds: tuple[str, ...]


class Dns(NamedTuple):
    """The answers of the name server, their delay (seconds), and its failures. Keys: addresses and names."""

    delay: float
    names: Mapping[str, tuple[str, ...]]
    delays: Mapping[str, float]
    failures: Mapping[str, str]
    hosts: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A network. ``table`` is the table that it was read from, to pass to another process."""

    title: str
    command: str
    expect: tuple[tuple[Row, ...], ...]
    expect6: tuple[tuple[Row, ...], ...]
    seed: int
    loss_out: float
    loss_back: float
    clients: Mapping[int, str]
    routes: tuple[Route, ...]
    loop: int | None
    by_packet: frozenset[int]
    destination: Destination
    bottleneck: Bottleneck | None
    noise: Noise
    dns: Dns
    table: Values = field(compare=False, repr=False)

    @classmethod
    def of(cls, values: Values, where: str = "scenario") -> Scenario:
        """The network that ``values`` describes; raises ``ScenarioError``."""
        return _read_scenario(Table(values, where))


def load(path: Path | str) -> Scenario:
    """The scenario in a TOML file; a bare name is one of ``scenarios/``. Raises ``ScenarioError``."""
    path = Path(path) if Path(path).suffix else SCENARIOS / f"{path}.toml"
    try:
        values = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path.name}: {error}") from None
    return Scenario.of(values, path.name)


def _read_scenario(table: Table) -> Scenario:
    addresses = _destination_addresses(table)
    defaults = table.value("defaults") or {}
    route = _read_route(table, defaults, addresses)
    further = [_read_route(each, defaults, addresses, is_whole=True) for each in table.tables("route")]
    loss_out, loss_back = _losses(table)
    destination = _read_destination(table.table("destination") or Table({}, table.where), addresses, route)
    scenario = Scenario(
        title=table.text("title"),
        command=table.text("command", "TARGET"),
        expect=read_rows(table.several("expect")),
        expect6=read_rows(table.several("expect6")),
        seed=table.whole("seed", 0, 0, 2**63),
        loss_out=loss_out,
        loss_back=loss_back,
        clients={
            4: table.address("client", CLIENT[4], 4),
            6: table.address("client6", CLIENT[6], 6),
        },
        routes=(route, *further),
        loop=table.whole("loop", 0, 1, max(1, len(route.hops))) or None,
        by_packet=frozenset(int(str(hop)) for hop in table.several("by_packet")),
        destination=destination,
        bottleneck=_read_bottleneck(table.table("bottleneck")),
        noise=_read_noise(table.table("noise") or Table({}, table.where)),
        dns=_read_dns(table.table("dns") or Table({}, table.where), (route, *further), destination),
        table=table.values,
    )
    table.finish()
    return scenario


def _losses(table: Table) -> tuple[float, float]:
    both = table.number("loss", 0, 0, 1)
    return table.number("loss_out", both, 0, 1), table.number("loss_back", both, 0, 1)


def _rtts(table: Table, default: tuple[float, ...]) -> tuple[float, ...]:
    values = table.several("rtt")
    if not all(isinstance(value, int | float) and value >= 0 for value in values):
        raise table.wrong("rtt", "milliseconds, or a list of them")
    return tuple(float(str(value)) / 1000 for value in values) or default


def _destination_addresses(table: Table) -> dict[int, str]:
    inner = table.table("destination") or Table({}, table.where)
    return {4: inner.address("address", DESTINATION[4], 4), 6: inner.address("address6", DESTINATION[6], 6)}


def _read_route(
    table: Table, defaults: object, destination: Mapping[int, str], *, is_whole: bool = False
) -> Route:
    """A route's hops; ``is_whole`` means that the table is a route's own, not the top level."""
    hops: list[tuple[Router, ...]] = []
    for each in table.tables("hop"):
        for index in range(each.whole("count", 1, 1, LONGEST_PATH)):
            number = len(hops) + 1
            if number > LONGEST_PATH:
                raise ScenarioError(f"{each.where}: it is hop {number}; a TTL reaches {LONGEST_PATH} at most")
            hops.append(_read_hop(each, Table(defaults, "defaults"), number, index, destination))
    _check_links(table, hops)
    since = table.milliseconds("since", 0) if is_whole else 0
    attempt = table.whole("attempt", 1, 1, 1000) if is_whole else 1
    if is_whole:
        table.finish()
    return Route(tuple(hops), since, attempt)


def _check_links(table: Table, hops: list[tuple[Router, ...]]) -> None:
    for number, (routers, following) in enumerate(pairwise(hops), 1):
        for link in (link for router in routers for link in router.links):
            if link >= len(following):
                raise ScenarioError(
                    f"{table.where}, hop {number}: next = {link + 1}, but hop {number + 1} has"
                    f" {len(following)} routers"
                )


def _read_hop(
    hop: Table, defaults: Table, number: int, index: int, destination: Mapping[int, str]
) -> tuple[Router, ...]:
    """The routers of hop ``number``, which is copy ``index`` of the hop described by the table."""
    step = hop.milliseconds("step", 0) * index
    copies = hop.whole("routers", 1, 1, 64)
    tables = hop.several("router") or [{}] * copies
    if index and (hop.value("address") or hop.value("address6")):
        raise ScenarioError(f"{hop.where}: {index + 1} hops cannot have the one address that is given")
    routers = tuple(
        _read_router(hop.below(own, defaults, f"router {place}"), (number, place), step, destination)
        for place, own in enumerate(tables, 1)
    )
    given = [router.addresses[4] for router in routers]
    if len(set(given)) < len(given):
        raise ScenarioError(f"{hop.where}: its routers share an address; give each its own")
    return routers


def _read_router(table: Table, place: tuple[int, int], step: float, destination: Mapping[int, str]) -> Router:
    loss_out, loss_back = _losses(table)
    rewrite = table.table("rewrite")
    router = Router(
        addresses=_router_addresses(table, place, destination),
        name=table.text("name"),
        rtts=tuple(rtt + step for rtt in _rtts(table, (0.001,))),
        port_rtts=_port_rtts(table),
        jitter=table.milliseconds("jitter", 0),
        loss_out=loss_out,
        loss_back=loss_back,
        is_silent=table.flag("silent"),
        limits=_read_limits(table),
        quote=FULL_QUOTE
        if table.value("quote") in (None, "full")
        else table.whole("quote", FULL_QUOTE, 8, FULL_QUOTE),
        labels=_read_labels(table),
        is_legacy=table.choice("extension", ("rfc4884", "legacy")) == "legacy",
        reply_ttl=table.whole("reply_ttl", 255, 1, 255),
        duplicates=table.whole("duplicates", 0, 0, 100),
        rewrite=None if rewrite is None else _read_rewrite(rewrite),
        tracks=table.flag("conntrack"),
        rules=tuple(_read_rule(each) for each in table.tables("rule")),
        links=_links(table),
        link=Link(
            table.whole("mtu", 0, 68, 65_535),
            table.whole("mtu_back", 0, 68, 65_535),
            table.flag("quiet"),
            table.number("forgets", inf, 0),
            table.choice("forgotten", FORGOTTEN),
            table.flag("unrelated"),
            read_device(table.table("words")),
        ),
        delay=table.milliseconds("delay", 0),
    )
    if router.labels and router.quote < FULL_QUOTE:
        raise ScenarioError(f"{table.where}: a quote before labels is padded to 128 bytes, so it is whole")
    for key in ("count", "step", "routers", "router"):
        table.value(key)
    table.finish()
    return router


def _router_addresses(table: Table, place: tuple[int, int], destination: Mapping[int, str]) -> dict[int, str]:
    if table.value("address") == "destination":
        table.value("address6")
        return dict(destination)
    hop, router = place
    return {
        4: table.address("address", f"10.{hop}.{router}.1", 4),
        6: table.address("address6", f"fd00:{hop:x}:{router:x}::1", 6),
    }


def _port_rtts(table: Table) -> dict[int, float]:
    inner = table.table("port_rtt")
    keys = [] if inner is None else list(inner.values)
    return {int(key): inner.milliseconds(key, 0) for key in keys if inner}


def _read_limits(table: Table, key: str = "limit") -> dict[int, Limit]:
    value = table.value(key)
    if value in (None, "none"):
        return {}
    if value == "linux":
        return LINUX_LIMIT
    if not isinstance(value, dict):
        raise table.wrong(key, '"linux", "none" or a table { burst, per_second }')
    inner = Table(value, f"{table.where}, {key}")
    limit = Limit(inner.whole("burst", 6, 1, 100_000), inner.number("per_second", 1, 0.001))
    inner.finish()
    return {4: limit, 6: limit}


def _read_labels(table: Table) -> tuple[MplsLabel, ...]:
    tables = table.tables("labels")
    labels = []
    for place, each in enumerate(tables, 1):
        label = each.whole("label", 0, 0, 0xFFFFF)
        traffic_class, ttl = each.whole("traffic_class", 0, 0, 7), each.whole("ttl", 1, 0, 255)
        each.finish()
        labels.append(MplsLabel(label, traffic_class, place == len(tables), ttl))
    return tuple(labels)


def _links(table: Table) -> tuple[int, ...]:
    links = table.several("next")
    if not all(isinstance(link, int) and link >= 1 for link in links):
        raise table.wrong("next", "numbers of routers of the next hop, from 1")
    return tuple(int(str(link)) - 1 for link in links)


def _read_rewrite(table: Table) -> Rewrite:
    numbers: dict[str, tuple[int, bool]] = {}
    for key in NUMBERS_REWRITTEN:
        value = table.value(key)
        if value is None:
            continue
        try:
            numbers[key] = int(str(value)), isinstance(value, str)
        except ValueError:
            raise table.wrong(key, 'a number, or a text such as "+7" to add it') from None
    stripped = table.several("strip")
    if not all(kind in STRIPPABLE for kind in stripped):
        raise table.wrong("strip", f"kinds of options among {', '.join(map(str, STRIPPABLE))}")
    sources, destinations = _family_addresses(table, "source"), _family_addresses(table, "destination")
    table.finish()
    return Rewrite(numbers, sources, destinations, frozenset(int(str(kind)) for kind in stripped))


def _family_addresses(table: Table, key: str) -> dict[int, str]:
    keys = {4: key, 6: f"{key}6"}
    return {family: table.address(name, "", family) for family, name in keys.items() if table.value(name)}


def _read_rule(table: Table) -> Rule:
    action = table.choice("action", ACTIONS)
    expiring = table.value("expiring")
    rule = Rule(
        ports=table.ports("ports", EVERY_PORT),
        action=action,
        codes={4: table.whole("code", 13, 0, 255), 6: table.whole("code6", 1, 0, 255)},
        icmp_type=table.whole("type", 5, 0, 255),
        is_injected=table.flag("injected"),
        acts_on_expiring=action in ANSWERING if expiring is None else table.flag("expiring"),
        stack=_read_stack(table),
    )
    if rule.is_injected and action not in ANSWERING:
        raise ScenarioError(f"{table.where}: only rst and syn-ack can be injected, not {action}")
    table.finish()
    return rule


def _read_stack(table: Table) -> Stack:
    return Stack(
        ttl=table.whole("ttl", 64, 1, 255),
        window=table.whole("window", RECEIVE_WINDOW, 0, 65_535),
        mss=table.whole("mss", 1460, 0, 65_535),
        wrong_ack=table.flag("wrong_ack"),
    )


def _read_destination(table: Table, addresses: Mapping[int, str], route: Route) -> Destination:
    for key in ("address", "address6"):
        table.value(key)
    states = _port_states(table)
    loss_out, loss_back = _losses(table)
    down_after = table.milliseconds("down_after", 3.0)
    destination = Destination(
        addresses=addresses,
        name=table.text("name"),
        rtts=_rtts(table, route.hops[-1][0].rtts if route.hops else (0.001,)),
        port_rtts=_port_rtts(table),
        jitter=table.milliseconds("jitter", 0),
        loss_out=loss_out,
        loss_back=loss_back,
        open=states["open"],
        silent=states["silent"],
        down_after=down_after if table.flag("down") else None,
        refuse_ttl=table.whole("refuse_ttl", 0, 0, 254),
        resets=_read_limits(table, "resets"),
        again=table.choice("again", AGAIN),
        once=table.flag("once"),
        duplicates=table.whole("duplicates", 0, 0, 100),
        retransmits=table.flag("retransmit"),
        stack=_read_stack(table),
        service=Service(
            answer=table.whole("answer", 5000, 0, 1 << 20),
            ack_delay=table.milliseconds("ack_delay", 0),
            ends=table.flag("ends"),
            greeting=table.whole("greeting", 0, 0, 1 << 16),
            says=table.text("says").encode(),
            refuses=table.text("refuses").encode(),
            refusal=table.choice("refusal", REFUSALS),
            closes=table.number("closes", inf, 0),
            aborts=table.number("aborts", inf, 0),
            keepalive=table.number("keepalive", inf, 0),
        ),
    )
    table.finish()
    return destination


def _port_states(table: Table) -> dict[str, frozenset[int]]:
    """The ports of each state; raises ``ScenarioError`` if a port has two states."""
    written = {state: table.ports(state, frozenset()) for state in STATES}
    if not any(map(table.value, (*STATES, "others"))):
        written["open"] = frozenset({80})
    for one, other in (("open", "closed"), ("open", "silent"), ("closed", "silent")):
        if both := written[one] & written[other]:
            raise ScenarioError(f"{table.where}: port {min(both)} is {one} as well as {other}")
    named = frozenset().union(*written.values())
    others = table.choice("others", STATES)
    return written | {others: written[others] | (EVERY_PORT - named)}


def _read_bottleneck(table: Table | None) -> Bottleneck | None:
    if table is None:
        return None
    bottleneck = Bottleneck(
        table.whole("hop", 1, 1, LONGEST_PATH),
        table.number("rate", 10_000, 0.001),
        table.whole("queue", 100, 1, 1_000_000),
    )
    table.finish()
    return bottleneck


def _read_noise(table: Table) -> Noise:
    from internet.noise import KINDS

    kinds = tuple(str(kind) for kind in table.several("kinds"))
    if unknown := set(kinds) - set(KINDS):
        raise ScenarioError(
            f"{table.where}: no noise is called {min(unknown)!r}; there are {', '.join(KINDS)}"
        )
    noise = Noise(table.number("per_second", 0), kinds or tuple(KINDS))
    table.finish()
    return noise


def _read_dns(table: Table, routes: tuple[Route, ...], destination: Destination) -> Dns:
    inner = {
        key: table.table(key) or Table({}, table.where)
        for key in ("names", "delays", "failures", "hosts", "texts")
    }
    routers = [router for route in routes for routers in route.hops for router in routers]
    places: list[Router | Destination] = [*routers, destination]
    names = {address: (each.name,) for each in places if each.name for address in each.addresses.values()}
    hosts = {destination.name: tuple(destination.addresses.values())} if destination.name else {}
    dns = Dns(
        delay=table.milliseconds("delay", 0),
        names=names | {key: _texts(inner["names"], key) for key in inner["names"].values},
        delays={key: inner["delays"].milliseconds(key, 0) for key in inner["delays"].values},
        failures={key: inner["failures"].choice(key, FAILURES) for key in inner["failures"].values},
        hosts=hosts | {key: _texts(inner["hosts"], key) for key in inner["hosts"].values},
        texts={key: _texts(inner["texts"], key) for key in inner["texts"].values},
    )
    table.finish()
    return dns


def _texts(table: Table, key: str) -> tuple[str, ...]:
    return tuple(str(value) for value in table.several(key))
