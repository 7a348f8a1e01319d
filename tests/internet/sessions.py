"""Connections over a scenario's network, on the virtual clock: what a kernel and a path do to their packets.

A model of TCP as far as probing over connections can see it: handshake, segments of the MSS that both sides
and the path MTU allow, retransmissions after 0.2, 0.6, 1.4... seconds, pieces after 'fragmentation needed',
acknowledgements, and an answer whose lost segments are sent again once later ones have come, or by timeout;
routers that forget a silent connection, and what becomes of its words then; ends that the host or a router
brings about by itself; and the TTL of what comes back.
Routers that share a hop take turns by the number of the connection. Of the scenario it uses the first
route's routers (``rtt``, ``silent``, ``limit``, and what ``Link`` has), the losses, and the destination
(``rtt``, ``open``, ``silent``, ``mss``, and what ``Service`` has).
"""

from __future__ import annotations

import heapq
from functools import partial
from itertools import count
from math import inf
from random import Random
from typing import TYPE_CHECKING

from internet.behaviour import Bucket
from internet.clock import VirtualClock
from internet.devices import SAID
from tracetcp.model import FailureKind, SendFailure
from tracetcp.model.connection import (
    ENDS,
    IP_AND_TCP,
    TIMESTAMPS,
    Close,
    Connect,
    Heed,
    Report,
    Seen,
    Speak,
    State,
)
from tracetcp.probers.session.contract import SessionProber

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from internet.scenario import Router, Scenario
    from tracetcp.model.connection import Order

RTO = 0.2
SYN_TRIES = (0.0, 1.0, 3.0)
LAST_TRY = 5
END_OF_REQUEST = b"\r\n\r\n"
ALERT = bytes.fromhex("15030300020270")
HOST_TTL = 64
LINK_MTU = 1500
SHORT = 1e-6


class Flow:
    """One connection, both ends of it."""

    def __init__(self, number: int, announced: int, opened_at: float) -> None:
        self.number = number
        self.announced = announced
        self.state = State.OPENING
        self.passed_at: dict[int, float] = {}
        """By hop: when a packet passed it last, if that was not at ``opened_at``."""
        self.opened_at = self.host_heard_at = opened_at
        self.routers: Sequence[Router] = ()
        self.forgotten: set[int] = set()
        """Hops that do not know it any more."""
        self.min_reply_ttl = 0
        self.is_known = True
        """Whether the host holds it open."""
        self.acknowledged = 0
        self.segments = 0
        self.ttl = 0
        self.payload = 0
        self.path_mtu = 0
        self.min_reply_ttl = 0
        self.unacknowledged: list[bytes] = []
        self.taken = b""
        """What the host has received."""
        self.text = b""
        """How what it answered begins."""
        self.retransmissions = 0
        self.errors = 0
        self.answer: list[int] = []
        self.came: set[int] = set()
        self.ahead = 0
        self.largest = 0
        self.has_ended = False
        self.told: Report | None = None
        self.seen = Seen()

    @property
    def received(self) -> int:
        """Bytes that came without a gap before them."""
        total = 0
        for place, size in enumerate(self.answer):
            if place not in self.came:
                break
            total += size
        return total


class VirtualSessions(SessionProber):
    """A ``SessionProber`` over ``scenario``; ``wait`` is the clock.

    ``remembered`` is the path MTU that the system holds at first. ``gives_up_after`` retransmissions it cuts
    what it sends, as with tcp_mtu_probing. ``failing`` tells which orders fail. ``spoken`` is every word with
    its instant. Once ``narrows_at`` connections were opened, narrow links take 1000 bytes. ``most_open``
    is the most connections that were open at once, ``opened`` their number.
    """

    def __init__(
        self,
        scenario: Scenario,
        family: int = 4,
        *,
        port: int = 80,
        wait: VirtualClock | None = None,
        remembered: int = LINK_MTU,
        gives_up_after: float = inf,
        failing: Callable[[Order], FailureKind | None] = lambda _: None,
        seed: int = 0,
        has_ears: bool = False,
    ) -> None:
        self._has_ears = has_ears
        self.destination = scenario.destination.addresses[family]
        self.family = family
        self.link_mtu = LINK_MTU
        self.path_mtu = remembered
        self.wait = wait or VirtualClock()
        self.spoken: list[tuple[float, Speak]] = []
        self.errors_sent: list[float] = []
        self.opened = self.most_open = 0
        self.narrows_at = inf
        self.said_by_device: Callable[[bytes], bytes] | None = None
        """What devices that answer say to a segment, None for the usual."""
        self.closed: list[int] = []
        self._scenario = scenario
        self._hops = scenario.routes[0].hops
        self._routers: list[Router] = [routers[0] for routers in self._hops]
        self._host = scenario.destination
        self._port = port
        self._headers = IP_AND_TCP[family] + TIMESTAMPS
        self._gives_up_after = gives_up_after
        self._failing = failing
        self._chance = Random(f"{scenario.seed} {seed}")
        self._flows: dict[int, Flow] = {}
        self._remembered: dict[int, float] = {}
        """By hop: until when its device drops everything."""
        self._buckets: dict[int, Bucket] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._now = self.wait.now

    @property
    def still_open(self) -> list[int]:
        """The connections that were opened and not closed."""
        return list(self._flows)

    # The contract --------------------------------------------------------------------------------------

    def clock(self) -> float:
        return self.wait.now

    def act(self, order: Order) -> float | SendFailure:
        self._now = self.wait.now
        kind = self._failing(order)
        if kind is not None:
            return SendFailure(0, "as the test wants it", kind)
        match order:
            case Connect():
                self._connect(order)
            case Heed():
                self._flows[order.connection].min_reply_ttl = order.min_reply_ttl
            case Speak():
                self._speak(order)
            case Close():
                self._flows.pop(order.connection, None)
                self.closed.append(order.connection)
        return self.wait.now

    def descriptors(self) -> Sequence[int]:
        return ()

    def wake_at(self) -> float:
        return self._events[0][0] if self._events else inf

    def drain(self) -> Sequence[Report]:
        while self._events and self._events[0][0] <= self.wait.now:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
        self._now = self.wait.now
        reports = []
        for flow in self._flows.values():
            report = self._report(flow)
            if flow.told is None or report._replace(at=flow.told.at) != flow.told:
                flow.told = report
                reports.append(report)
        return reports

    def close(self) -> None:
        self.closed += self._flows
        self._flows.clear()
        self._events.clear()

    # This end ------------------------------------------------------------------------------------------

    def _connect(self, order: Connect) -> None:
        most = min(self.path_mtu, LINK_MTU) - IP_AND_TCP[self.family]
        flow = Flow(order.connection, min(order.announced_mss or most, most), self._now)
        flow.min_reply_ttl = order.min_reply_ttl
        flow.routers = [hop[flow.number % len(hop)] for hop in self._hops]
        self._flows[order.connection] = flow
        self.opened += 1
        self.most_open = max(self.most_open, len(self._flows))
        is_remembered = any(until > self._now for until in self._remembered.values())
        if self._port in self._host.silent or is_remembered or not self._is_heeded(flow):
            return
        for after in SYN_TRIES:
            if not self._is_lost(out=True) and not self._is_lost(out=False):
                is_open = self._port in self._host.open
                self._later(after + self._rtt, partial(self._connected, flow, is_open=is_open))
                return

    def _connected(self, flow: Flow, *, is_open: bool) -> None:
        flow.state = State.OPEN if is_open else State.REFUSED
        flow.payload = self._most(flow)
        flow.seen = Seen(host_ttl=self._host.stack.ttl - len(self._routers))
        self._passed(flow)
        if is_open and self._host.service.greeting:
            flow.text = b"220 ".ljust(self._host.service.greeting, b"g")
            self._answer(flow, self._host.service.greeting)

    def _most(self, flow: Flow) -> int:
        """The payload of the largest segment that may leave now."""
        flow.path_mtu = self.path_mtu
        most = min(self._host.stack.mss, flow.path_mtu - IP_AND_TCP[self.family]) - TIMESTAMPS
        return 512 if flow.retransmissions >= self._gives_up_after else most

    def _speak(self, order: Speak) -> None:
        self.spoken.append((self._now, order))
        flow = self._flows[order.connection]
        flow.ttl, flow.told, flow.payload = order.ttl, None, self._most(flow)
        if not order.data:
            return
        new = self._cut(flow, order.data)
        is_idle = not flow.unacknowledged
        flow.unacknowledged += new
        for data in new:
            self._send(flow, data)
        if is_idle:
            self._later(self._rto, lambda: self._again(flow, 1))

    def _cut(self, flow: Flow, data: bytes) -> list[bytes]:
        return [data[start : start + flow.payload] for start in range(0, len(data), flow.payload)]

    def _again(self, flow: Flow, tries: int) -> None:
        """Retransmit the first segment that is not acknowledged."""
        if not flow.unacknowledged or not self._is_alive(flow):
            return
        flow.retransmissions += 1
        flow.payload = self._most(flow)
        flow.unacknowledged = [piece for data in flow.unacknowledged for piece in self._cut(flow, data)]
        self._send(flow, flow.unacknowledged[0])
        if tries < LAST_TRY:
            self._later(self._rto * 2**tries, lambda: self._again(flow, tries + 1))

    def _told(self, flow: Flow, size: int) -> None:
        """Fragmentation needed: the system learns it for all, and sends pieces at once."""
        if not self._is_alive(flow):
            return
        self.path_mtu = min(self.path_mtu, size)
        flow.payload = self._most(flow)
        flow.unacknowledged = self._cut(flow, b"".join(flow.unacknowledged))
        for piece in flow.unacknowledged:
            self._send(flow, piece)

    def _failed(self, flow: Flow) -> None:
        """An ICMP error; the system goes by the TTL in its quote, which is next to nothing.

        Raw sockets hear of it in any case.
        """
        flow.seen = flow.seen._replace(is_expired=True)
        if self._is_alive(flow):
            flow.errors += flow.min_reply_ttl <= 1

    def _acknowledged(self, flow: Flow, data: bytes) -> None:
        if self._is_alive(flow) and self._is_heeded(flow) and data in flow.unacknowledged:
            flow.segments += 1
            flow.acknowledged += len(data)
            flow.unacknowledged.remove(data)

    def _end(self, flow: Flow, state: State, from_hop: int | None = None) -> None:
        """A FIN or RST comes, from a router or (None) the host."""
        flow.is_known = flow.is_known and from_hop is not None
        if self._is_alive(flow) and self._is_heeded(flow, from_hop):
            routers = len(self._routers) if from_hop is None else from_hop - 1
            end_ttl = self._host.stack.ttl - routers if state is State.RESET else None
            flow.seen = flow.seen._replace(end_ttl=end_ttl)
            flow.state = state
            flow.unacknowledged = flow.unacknowledged if state is State.FINISHED else []

    def _report(self, flow: Flow) -> Report:
        return Report(
            flow.number,
            self._now,
            flow.state,
            rtt=self._rtt,
            is_acknowledged=not flow.unacknowledged,
            errors=flow.errors,
            retransmissions=flow.retransmissions,
            packet=flow.payload + self._headers,
            payload=flow.payload,
            path_mtu=flow.path_mtu,
            allowed=flow.announced - TIMESTAMPS,
            received=flow.received,
            largest=max(flow.largest, min(536, flow.announced) - TIMESTAMPS),
            ahead=flow.ahead,
            acknowledged=flow.acknowledged,
            segments=flow.segments,
            heard=flow.text.ljust(flow.received, b"y")[: flow.received],
            seen=flow.seen if self._has_ears else None,
        )

    # The way -------------------------------------------------------------------------------------------

    @property
    def _rtt(self) -> float:
        return self._host.rtts[0]

    @property
    def _rto(self) -> float:
        return RTO + self._rtt

    def _is_alive(self, flow: Flow) -> bool:
        return flow.number in self._flows and flow.state not in ENDS

    def _is_heeded(self, flow: Flow, from_hop: int | None = None) -> bool:
        """Whether what a router or (None) the host sends has the TTL that is listened to."""
        routers = len(self._routers) if from_hop is None else from_hop - 1
        return self._is_heard(flow, self._host.stack.ttl - routers)

    def _is_heard(self, flow: Flow, ttl: int) -> bool:
        """Whether a packet that would arrive with ``ttl`` does, and is listened to."""
        return ttl >= max(1, flow.min_reply_ttl)

    def _passed(self, flow: Flow) -> None:
        """A packet went all the way; every timer of the connection starts again."""
        flow.host_heard_at = self._now
        for number, router in enumerate(flow.routers, 1):
            flow.passed_at[number] = self._now
            if router.link.forgotten == "close":
                self._later(router.link.forgets, partial(self._close_at, flow, number))
        service = self._host.service
        for delay, state in ((service.closes, State.FINISHED), (service.aborts, State.RESET)):
            self._later(delay, partial(self._close_at, flow, None, state, delay))
        self._later(service.keepalive, partial(self._keep_alive, flow))

    def _close_at(
        self, flow: Flow, hop: int | None, state: State = State.RESET, delay: float | None = None
    ) -> None:
        """A timer has run out: if nothing has passed since, that is the end, as far as it comes back."""
        since = flow.host_heard_at if hop is None else flow.passed_at[hop]
        after = flow.routers[hop - 1].link.forgets if delay is None and hop else delay or 0.0
        if self._now - since < after - SHORT or self._blocks(flow, hop or len(self._routers) + 1):
            return
        self._later(self._rtt / 2, lambda: self._end(flow, state, hop))

    def _keep_alive(self, flow: Flow) -> None:
        is_due = self._now - flow.host_heard_at > self._host.service.keepalive - SHORT
        if is_due and self._is_alive(flow) and not self._blocks(flow, len(self._routers) + 1):
            flow.segments += 1
            self._passed(flow)

    def _blocks(self, flow: Flow, hop: int) -> bool:
        """Whether a router nearer than ``hop`` keeps back what comes from there."""
        return any(self._has_forgotten(flow, number) for number in range(1, hop))

    def _has_forgotten(self, flow: Flow, number: int) -> bool:
        since = flow.passed_at.get(number, flow.opened_at)
        if self._now - since > flow.routers[number - 1].link.forgets:
            flow.forgotten.add(number)
        return number in flow.forgotten

    def _later(self, delay: float, what: Callable[[], None]) -> None:
        if delay == inf:
            return
        heapq.heappush(self._events, (self._now + delay, next(self._order), what))

    def _is_lost(self, *, out: bool) -> bool:
        chance = self._scenario.loss_out if out else self._scenario.loss_back
        return chance > 0 and self._chance.random() < chance

    def _send(self, flow: Flow, data: bytes) -> None:
        """Send one segment; what becomes of it is decided at once, and told when it is due."""
        if self._is_lost(out=True):
            return
        for number, router in enumerate(flow.routers, 1):
            is_ending, device = number == flow.ttl, router.link.device
            if device is not None and (device.sees_expiring or not is_ending):
                if self._now < self._remembered.get(number, 0.0):
                    return
                if device.is_about(data, self._now) and self._act(flow, number, router, data):
                    return
            if is_ending:
                self._error(number, router, lambda: self._failed(flow))
                return
            if not self._forwards(flow, number, len(data) + self._headers):
                return
        if flow.forgotten or not flow.is_known:  # by a NAT: the host knows nothing of the new address
            self._later(self._rtt, lambda: self._end(flow, State.RESET))
            return
        self._passed(flow)
        self._arrive(flow, data)

    def _act(self, flow: Flow, number: int, router: Router, data: bytes) -> bool:
        """What a device does about a segment; whether that ends there."""
        device = router.link.device
        assert device is not None, "one saw it"
        if device.remembers:
            self._remembered[number] = self._now + device.remembers
        sent_ttl = flow.ttl - (number - 1) if device.copies else HOST_TTL
        is_heard = self._is_heard(flow, sent_ttl - (number - 1)) and not self._is_lost(out=False)
        delay = router.rtts[0] + device.delay
        if device.does == "reject":
            self._error(number, router, lambda: self._refused(flow, router))
        elif device.does == "rst" and is_heard:
            self._later(delay, lambda: self._reset(flow, sent_ttl - (number - 1)))
        elif device.does in SAID and is_heard:
            said = self.said_by_device(data) if self.said_by_device else SAID[device.does]
            self._later(delay, lambda: self._inject(flow, data, said))
        return not device.listens

    def _refused(self, flow: Flow, router: Router) -> None:
        self._failed(flow)
        refusal = (3, 13) if self.family == 4 else (1, 1)
        flow.seen = flow.seen._replace(is_expired=False, refusal=(*refusal, router.addresses[self.family]))

    def _reset(self, flow: Flow, ttl: int) -> None:
        flow.seen = flow.seen._replace(end_ttl=flow.seen.end_ttl or ttl)
        if self._is_alive(flow):
            flow.state, flow.unacknowledged = State.RESET, []

    def _inject(self, flow: Flow, data: bytes, said: bytes) -> None:
        """An answer from nearer than the host; whatever the host answers comes too late."""
        if self._is_alive(flow) and not flow.answer:
            flow.unacknowledged = [each for each in flow.unacknowledged if each != data]
            flow.has_ended, flow.text = True, said
            self._answer(flow, len(said))

    def _arrive(self, flow: Flow, data: bytes) -> None:
        """A segment is with the host."""
        flow.taken += b"" if data in flow.taken else data
        service = self._host.service
        is_refused = bool(service.refuses) and service.refuses in flow.taken
        is_request = _is_request(flow.taken) or is_refused
        if not self._is_lost(out=False):
            delay = 0.0 if is_request else service.ack_delay
            self._later(self._rtt + delay, lambda: self._acknowledged(flow, data))
        if not is_request or flow.has_ended:
            return
        flow.has_ended = True
        if not is_refused:
            flow.text += service.says
            self._later(self._rtt, lambda: self._answer(flow, service.answer))
        elif service.refusal == "reset":
            self._later(self._rtt, lambda: self._end(flow, State.RESET))
        else:
            self._later(self._rtt, lambda: self._dismiss(flow, is_mute=service.refusal == "close"))

    def _dismiss(self, flow: Flow, *, is_mute: bool) -> None:
        """The host ends the connection, with an alert or without a word."""
        if not self._is_alive(flow):
            return
        if not is_mute:
            flow.text = ALERT
            self._answer(flow, len(ALERT))
        self._end(flow, State.FINISHED)

    def _forwards(self, flow: Flow, number: int, size: int) -> bool:
        """Whether a packet goes on from a router; if not, what it says of that is told."""
        router = flow.routers[number - 1]
        if self._has_forgotten(flow, number) and router.link.forgotten != "nat":
            self._refuse(flow, number, router)
            return False
        mtu = min(router.link.mtu, 1000) if self.opened > self.narrows_at else router.link.mtu
        is_too_large = mtu > 0 and size > mtu
        if is_too_large and not router.link.is_quiet:
            self._error(number, router, partial(self._told, flow, mtu))
        return not is_too_large

    def _refuse(self, flow: Flow, number: int, router: Router) -> None:
        """What a router does with what belongs to a connection that it has forgotten."""
        if router.link.forgotten == "rst" and not self._is_lost(out=False):
            self._later(router.rtts[0], lambda: self._end(flow, State.RESET, number))
        elif router.link.forgotten == "unreachable":
            self._error(number, router, lambda: self._failed(flow))

    def _error(self, number: int, router: Router, what: Callable[[], None]) -> None:
        """An ICMP error of a router, if it sends one."""
        limit = router.limits.get(self.family)
        bucket = self._buckets.setdefault(number, Bucket(limit)) if limit else None
        if router.is_silent or self._is_lost(out=False) or (bucket and not bucket.allows(self._now)):
            return
        if any(each.link.is_unrelated for each in self._routers[: number - 1]):
            return
        self.errors_sent.append(self._now)
        self._later(router.rtts[0], what)

    # The other end -------------------------------------------------------------------------------------

    def _answer(self, flow: Flow, length: int) -> None:
        most = min(flow.announced, self._host.stack.mss) - TIMESTAMPS
        first = len(flow.answer)
        flow.answer += [min(most, length - start) for start in range(0, length, most)]
        for place in range(first, len(flow.answer)):
            self._come(flow, place)
        self._ended(flow)
        self._later(self._rtt, lambda: self._repair(flow))
        self._later(self._rto, lambda: self._answer_again(flow, 1))

    def _come(self, flow: Flow, place: int) -> None:
        """A segment of the answer on its way back."""
        size = flow.answer[place] + self._headers
        back = [router.link.mtu_back for router in flow.routers]
        if self._is_lost(out=False) or any(mtu and size > mtu for mtu in back):
            return
        flow.came.add(place)
        if all(before in flow.came for before in range(place)):
            flow.largest = max(flow.largest, flow.answer[place])
        else:
            flow.ahead += 1

    def _repair(self, flow: Flow) -> None:
        """Fast retransmission of what later segments have overtaken."""
        last = max(flow.came, default=0)
        for place in [place for place in range(last) if place not in flow.came]:
            self._come(flow, place)
        self._ended(flow)

    def _answer_again(self, flow: Flow, tries: int) -> None:
        missing = [place for place in range(len(flow.answer)) if place not in flow.came]
        if not missing or not self._is_alive(flow):
            return
        self._come(flow, missing[0])
        self._ended(flow)
        if tries < LAST_TRY:
            self._later(self._rto * 2**tries, lambda: self._answer_again(flow, tries + 1))

    def _ended(self, flow: Flow) -> None:
        is_whole = len(flow.came) == len(flow.answer)
        if self._host.service.ends and flow.has_ended and is_whole and flow.state is State.OPEN:
            flow.state = State.FINISHED


def _is_request(data: bytes) -> bool:
    """Whether ``data`` asks for an answer: a HTTP request, or a whole hello."""
    if data[:1] == b"\x16":
        return len(data) >= 5 + int.from_bytes(data[3:5], "big")
    return data.endswith(END_OF_REQUEST)
