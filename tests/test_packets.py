"""Packets in both directions, compared with scapy: it dissects what we encode, we decode what it builds."""

from __future__ import annotations

import random
import struct
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetcp.engine.scan.attempts import Port
from tracetcp.engine.trace.flight import Flight, Purpose
from tracetcp.engine.trace.hops import HopState
from tracetcp.model import FLOWS, OUTCOMES, MplsLabel, Outcome, Probe, Reply, ReplyKind
from tracetcp.model.tcp_options import mss_of
from tracetcp.wire.checksums import checksum_of, word_sum
from tracetcp.wire.codec import Ipv4Codec, Ipv6Codec, label_of, open_codec
from tracetcp.wire.kinds import RST, SEQUENCE, WIRE_KINDS, TcpReading, WireKind
from tracetcp.wire.probe_table import REMEMBERED_PROBES, ProbeTable, Sent
from tracetcp.wire.protocols import ICMPV6, TCP
from tracetcp.wire.quotes import quoted_destination, split
from tracetcp.wire.templates import RECEIVE_WINDOW, load_scapy

load_scapy(6)

from scapy.contrib.mpls import MPLS  # noqa: E402 - scapy is to be imported without its tables
from scapy.layers.inet import ICMP, IP, ICMPExtension_Header  # noqa: E402
from scapy.layers.inet import TCP as Tcp  # noqa: E402, N811
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6TimeExceeded, IPv6  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from scapy.packet import Packet

    from tracetcp.model import ProbeKind

SOURCE, TARGET, ROUTER = "192.0.2.1", "198.51.100.9", "203.0.113.3"
SOURCE_6, TARGET_6, ROUTER_6 = "2001:db8::1", "2001:db8:9::9", "2001:db8:3::3"
STRANGER, STRANGER_6 = "192.0.2.66", "2001:db8::66"
BASE = 20_000
FIRST_ID = 500
TOKEN = 0x89ABCDEF
PROBE = Probe(TOKEN, 443, 7, 1, 2)
OPTIONS = bytes.fromhex("020405b40103030801010402")
OPTIONS_6 = bytes.fromhex("020405a00103030801010402")
AT = 12.5


def repeatable(count: int) -> bytes:
    """Not random: identifications start at ``FIRST_ID``."""
    return (FIRST_ID - 1).to_bytes(4, "big") if count == 4 else random.Random(7).randbytes(count)


def codec4(mtu: int = 1500) -> Ipv4Codec:
    codec = open_codec(SOURCE, TARGET, BASE, mtu=mtu, randomness=repeatable)
    assert isinstance(codec, Ipv4Codec)
    return codec


def codec6(target: str = TARGET_6, *, base: int = BASE, has_fixed_labels: bool = False) -> Ipv6Codec:
    codec = open_codec(SOURCE_6, target, base, has_fixed_labels=has_fixed_labels, randomness=repeatable)
    assert isinstance(codec, Ipv6Codec)
    return codec


probes = st.builds(
    Probe,
    token=st.integers(0, 2**32 - 1),
    port=st.integers(0, 65_535),
    ttl=st.integers(1, 255),
    attempt=st.just(1),
    flow=st.integers(0, FLOWS - 1),
)


def rebuilt(packet: Packet) -> bytes:
    """The same packet with lengths and checksums computed by scapy."""
    copy = packet.copy()
    for layer, field in ((IP, "chksum"), (IP, "len"), (IPv6, "plen"), (Tcp, "chksum")):
        if layer in copy:
            delattr(copy[layer], field)
    return bytes(copy)


class TestEncode:
    @given(probes)
    def test_ipv4_as_scapy_reads_it(self, probe: Probe) -> None:
        packet = IP(codec4().encode(probe))
        assert (packet.src, packet.dst, packet.ttl, packet.id) == (SOURCE, TARGET, probe.ttl, FIRST_ID)
        assert (str(packet.flags), packet.tos, packet.len) == ("DF", 0, 52)
        self.check_tcp(packet, probe, RECEIVE_WINDOW, 1460)

    @given(probes)
    def test_ipv6_as_scapy_reads_it(self, probe: Probe) -> None:
        packet = IPv6(codec6().encode(probe))
        assert (packet.src, packet.dst, packet.hlim) == (SOURCE_6, TARGET_6, probe.ttl)
        assert (packet.tc, packet.plen) == (0, 32)
        self.check_tcp(packet, probe, RECEIVE_WINDOW + probe.ttl, 1440)

    def check_tcp(self, packet: Packet, probe: Probe, window: int, mss: int) -> None:
        tcp = packet[Tcp]
        assert (tcp.sport, tcp.dport, tcp.seq) == (BASE + probe.flow, probe.port, probe.token)
        assert (str(tcp.flags), tcp.ack, tcp.window, tcp.urgptr) == ("S", 0, window, 0)
        names = ["MSS", "NOP", "WScale", "NOP", "NOP", "SAckOK"]
        assert [name for name, _ in tcp.options] == names
        assert tcp.options[0] == ("MSS", mss)
        assert not tcp.payload
        assert rebuilt(packet) == bytes(packet)

    @given(st.lists(probes, min_size=2, max_size=9))
    def test_checksums_stay_right_from_probe_to_probe(self, several: list[Probe]) -> None:
        codec = codec4()
        packets = [IP(codec.encode(probe)) for probe in several]
        assert [bytes(packet) for packet in packets] == [rebuilt(packet) for packet in packets]

    def test_identifications_count_up_and_are_never_0(self) -> None:
        codec = codec4()
        ids = [
            struct.unpack_from("!H", codec.encode(PROBE._replace(token=token)), 4)[0]
            for token in range(REMEMBERED_PROBES + 1)
        ]
        assert sorted(ids[:-1]) == list(range(1, 65_536))
        assert (ids[0], ids[-1]) == (FIRST_ID, FIRST_ID)

    def test_a_flow_keeps_its_label_and_others_have_their_own(self) -> None:
        codec = codec6()
        labels = [IPv6(codec.encode(PROBE._replace(flow=flow))).fl for flow in range(50) for _ in range(2)]
        assert labels[::2] == labels[1::2]
        assert len(set(labels)) == 50
        assert 0 not in labels

    def test_labels_that_another_run_can_have_follow_from_the_source_port(self) -> None:
        def labels(base: int) -> list[int]:
            codec = codec6(base=base, has_fixed_labels=True)
            return [IPv6(codec.encode(PROBE._replace(flow=flow))).fl for flow in range(FLOWS)]

        assert labels(BASE) == labels(BASE)
        assert labels(BASE)[1:] == labels(BASE + 1)[:-1]
        assert len(set(labels(BASE))) == FLOWS
        assert len({label >> 18 for label in labels(BASE)[:8]}) == 4, "neighbours are spread"
        assert all(label_of(port) for port in range(65_536))

    def test_the_mss_leaves_room_for_headers_and_fits_its_option(self) -> None:
        assert IP(codec4(1000).encode(PROBE))[Tcp].options[0] == ("MSS", 960)
        assert IP(codec4(65_576).encode(PROBE))[Tcp].options[0] == ("MSS", 65_535)

    def test_a_scope_stays_off_the_wire(self) -> None:
        codec = open_codec("fe80::1%eth0", "fe80::2%eth0", BASE)
        packet = IPv6(codec.encode(PROBE))
        assert (packet.src, packet.dst) == ("fe80::1", "fe80::2")

    def test_every_trace_starts_elsewhere(self) -> None:
        starts = {IP(open_codec(SOURCE, TARGET, BASE).encode(PROBE)).id for _ in range(20)}
        assert len(starts) > 10


def tcp_answer(**fields: Any) -> Packet:
    expected: dict[str, Any] = {"sport": 443, "dport": BASE + 2, "flags": "SA", "ack": TOKEN + 1, "seq": 99}
    return Tcp(**(expected | fields))


def hear4(packet: Packet | bytes, codec: Ipv4Codec | None = None) -> Reply | None:
    codec = codec or codec4()
    codec.encode(PROBE)
    return codec.decode(bytes(packet), AT)


def hear6(segment: Packet, sender: str = TARGET_6, protocol: int = TCP) -> Reply | None:
    codec = codec6()
    codec.encode(PROBE)
    packet = IPv6(src=sender, dst=SOURCE_6) / segment
    return codec.decode(protocol, bytes(packet)[40:], sender, 55, AT)


def from_target(**fields: Any) -> bytes:
    return bytes(IP(src=TARGET, dst=SOURCE, ttl=55) / tcp_answer(**fields))


class TestTcpAnswers:
    @pytest.mark.parametrize(
        ("flags", "kind"), [("SA", ReplyKind.SYN_ACK), ("R", ReplyKind.RST), ("RA", ReplyKind.RST)]
    )
    def test_what_the_destination_says(self, flags: str, kind: ReplyKind) -> None:
        for reply, sender in (
            (hear4(from_target(flags=flags)), TARGET),
            (hear6(tcp_answer(flags=flags)), TARGET_6),
        ):
            assert reply is not None
            assert (reply.token, reply.kind, reply.sender) == (TOKEN, kind, sender)
            assert (reply.received_at, reply.reply_ttl) == (AT, 55)

    def test_the_traits_of_its_stack(self) -> None:
        reply = hear4(from_target(window=29_200, options=[("NOP", None), ("MSS", 1400), ("EOL", None)]))
        assert reply is not None
        assert reply.answer == (29_200, 1400, bytes.fromhex("010204057800 0000".replace(" ", "")))

    def test_an_acknowledgement_wraps_round(self) -> None:
        codec = codec4()
        codec.encode(PROBE._replace(token=0xFFFFFFFF))
        assert hear4(from_target(ack=0), codec) is not None

    @pytest.mark.parametrize(
        "fields",
        [
            {"sport": 444},
            {"dport": BASE + 3},
            {"ack": TOKEN},
            {"ack": TOKEN + 2},
            {"flags": "A"},
            {"flags": "S"},
            {"flags": "SAR"},
            {"flags": "FA"},
            {"flags": ""},
            {"dataofs": 4},
            {"dataofs": 6},
            {"dataofs": 15},
            {"chksum": 0x1234},
        ],
        ids=str,
    )
    def test_what_is_not_an_answer(self, fields: dict[str, Any]) -> None:
        assert hear4(from_target(**fields)) is None
        assert hear6(tcp_answer(**fields)) is None

    def test_a_checksum_left_to_the_card_is_taken(self) -> None:
        """This machine's kernel sends such packets over loopback and veth."""
        pseudo = bytes.fromhex("c6336409 c0000201 0006 0014".replace(" ", ""))
        partial = word_sum(pseudo)
        assert hear4(from_target(chksum=partial)) is not None
        assert hear4(from_target(chksum=partial ^ 1)) is None

    def test_strangers_are_not_heard(self) -> None:
        assert hear4(IP(src=STRANGER, dst=SOURCE) / tcp_answer()) is None
        assert hear4(IP(src=TARGET, dst=STRANGER) / tcp_answer()) is None
        assert hear6(tcp_answer(), sender=STRANGER_6) is None

    def test_a_scoped_destination_answers_with_its_scope(self) -> None:
        codec = open_codec("fe80::1%eth0", "fe80::2%eth0", BASE)
        assert isinstance(codec, Ipv6Codec)
        codec.encode(PROBE)
        segment = bytes(IPv6(src="fe80::2", dst="fe80::1") / tcp_answer())[40:]
        assert codec.decode(TCP, segment, "fe80::2%eth0", 64, AT) is not None
        assert codec.decode(TCP, segment, "fe80::2%eth1", 64, AT) is None

    @pytest.mark.parametrize(
        ("at", "value"),
        [(0, 0x65), (0, 0x44), (0, 0x4F), (2, 0xFF), (6, 0x10), (7, 0x01), (9, 17)],
        ids=["version", "short header", "long header", "length", "fragment", "offset", "protocol"],
    )
    def test_a_bad_ip_header_is_refused(self, at: int, value: int) -> None:
        packet = bytearray(from_target())
        packet[at] = value
        assert hear4(bytes(packet)) is None

    @given(st.integers(0, 39))
    def test_a_cut_packet_is_refused(self, length: int) -> None:
        assert hear4(from_target()[:length]) is None
        short = bytearray(from_target()[:length])
        if length >= 20:
            short[2:4] = length.to_bytes(2, "big")
            assert hear4(bytes(short)) is None

    def test_trailing_bytes_are_no_part_of_it(self) -> None:
        assert hear4(from_target() + b"padding") is not None


def seen4(codec: Ipv4Codec) -> Packet:
    """Our SYN as a router saw it."""
    seen = IP(codec.encode(PROBE))
    seen.ttl = 1
    return seen


def error4(quote: bytes, icmp_type: int = 11, code: int = 0, **fields: Any) -> bytes:
    header = ICMP(type=icmp_type, code=code, **fields)
    return bytes(IP(src=ROUTER, dst=SOURCE, ttl=60) / header / quote)


def error6(quote: bytes, layer: type[Packet] = ICMPv6TimeExceeded, **fields: Any) -> Packet:
    packet: Packet = layer(**fields) / quote
    return packet


def decode6(codec: Ipv6Codec, message: Packet, sender: str = ROUTER_6) -> Reply | None:
    packet = bytes(IPv6(src=sender, dst=SOURCE_6) / message)
    return codec.decode(ICMPV6, packet[40:], sender, 60, AT)


def change(layer: type[Packet], **fields: Any) -> Callable[[Packet], None]:
    def apply(packet: Packet) -> None:
        for name, value in fields.items():
            setattr(packet[layer], name, value)

    return apply


class TestIcmpErrors:
    @given(st.integers(8, 32))
    def test_any_length_of_quote_names_the_probe(self, tcp_length: int) -> None:
        codec = codec4()
        reply = codec.decode(error4(bytes(seen4(codec))[: 20 + tcp_length]), AT)
        assert reply is not None
        assert (reply.token, reply.kind) == (TOKEN, ReplyKind.TIME_EXCEEDED)
        assert (reply.sender, reply.reply_ttl, reply.icmp_type, reply.icmp_code) == (ROUTER, 60, 11, 0)
        assert reply.quote is not None
        assert reply.quote[:8] == (SOURCE, TARGET, BASE + 2, 443, TOKEN, 1, 0, FIRST_ID)
        assert reply.quote.tcp_length == tcp_length
        assert reply.quote.mss == (1460 if tcp_length >= 24 else None)
        assert reply.quote.options == (OPTIONS if tcp_length == 32 else None)
        assert reply.quote.changed == ()

    @given(st.integers(8, 32))
    def test_so_it_does_in_ipv6(self, tcp_length: int) -> None:
        codec = codec6()
        reply = decode6(codec, error6(codec.encode(PROBE)[: 40 + tcp_length]))
        assert reply is not None
        assert (reply.token, reply.kind, reply.sender) == (TOKEN, ReplyKind.TIME_EXCEEDED, ROUTER_6)
        assert (reply.reply_ttl, reply.icmp_type, reply.icmp_code) == (60, 3, 0)
        assert reply.quote is not None
        assert reply.quote[:8] == (SOURCE_6, TARGET_6, BASE + 2, 443, TOKEN, 7, 0, None)
        assert reply.quote.options == (OPTIONS_6 if tcp_length == 32 else None)
        assert reply.quote.changed == ()

    @pytest.mark.parametrize("code", [*range(16), 255])
    def test_unreachable_of_every_code(self, code: int) -> None:
        codec = codec4()
        reply = codec.decode(error4(bytes(seen4(codec)), 3, code), AT)
        assert reply is not None
        assert (reply.kind, reply.icmp_code) == (ReplyKind.UNREACHABLE, code)
        codec_6 = codec6()
        reply = decode6(codec_6, error6(codec_6.encode(PROBE), ICMPv6DestUnreach, code=code))
        assert reply is not None
        assert (reply.kind, reply.icmp_code) == (ReplyKind.UNREACHABLE, code)

    @pytest.mark.parametrize(
        ("icmp_type", "code"), [(11, 1), (0, 0), (4, 0), (5, 0), (5, 1), (8, 0), (12, 0), (3 + 128, 0)]
    )
    def test_other_messages_say_nothing_of_a_probe(self, icmp_type: int, code: int) -> None:
        codec = codec4()
        quote = bytes(seen4(codec))
        message = bytearray(bytes(4) + bytes(4) + quote)
        message[0], message[1] = icmp_type, code
        message[2:4] = checksum_of(word_sum(bytes(message))).to_bytes(2, "big")
        packet = IP(src=ROUTER, dst=SOURCE, proto=1) / bytes(message)
        assert codec.decode(bytes(packet), AT) is None

    def test_ipv6_packet_too_big_and_reassembly_say_nothing(self) -> None:
        codec = codec6()
        assert decode6(codec, error6(codec.encode(PROBE), code=1)) is None
        message = error6(codec.encode(PROBE), type=2)
        assert decode6(codec, message) is None

    def test_a_time_exceeded_of_the_target_itself_is_a_hop(self) -> None:
        codec = codec4()
        packet = IP(src=TARGET, dst=SOURCE) / ICMP(type=11) / bytes(seen4(codec))
        reply = codec.decode(bytes(packet), AT)
        assert reply is not None
        assert (reply.kind, reply.sender) == (ReplyKind.TIME_EXCEEDED, TARGET)

    def test_a_wrong_checksum_is_refused(self) -> None:
        codec = codec4()
        assert codec.decode(error4(bytes(seen4(codec)), chksum=0x1234), AT) is None
        codec_6 = codec6()
        assert decode6(codec_6, error6(codec_6.encode(PROBE), cksum=0x1234)) is None

    @pytest.mark.parametrize(
        ("at", "value"),
        [(0, 0x65), (0, 0x44), (0, 0x4F), (3, 27), (9, 17), (6, 0x1F), (7, 0x08)],
        ids=["version", "short header", "long header", "length", "protocol", "fragment", "offset"],
    )
    def test_a_bad_quoted_header_is_refused(self, at: int, value: int) -> None:
        codec = codec4()
        quote = bytearray(bytes(seen4(codec))[:28])
        quote[at] = value
        assert codec.decode(error4(bytes(quote)), AT) is None

    @pytest.mark.parametrize(("at", "value"), [(0, 0x40), (5, 7), (6, 0), (6, 17)])
    def test_a_bad_quoted_ipv6_header_is_refused(self, at: int, value: int) -> None:
        codec = codec6()
        quote = bytearray(codec.encode(PROBE))
        quote[at] = value
        assert decode6(codec, error6(bytes(quote))) is None

    def test_quoted_ip_options_are_stepped_over(self) -> None:
        codec = codec4()
        plain = bytes(seen4(codec))
        quote = (
            bytes([0x47])
            + plain[1:3]
            + bytes([60])
            + plain[4:20]
            + b"\x94\x04\0\0\x01\x01\x01\0"
            + plain[20:]
        )
        reply = codec.decode(error4(quote), AT)
        assert reply is not None
        assert reply.quote is not None
        assert reply.quote.changed == ()

    @pytest.mark.parametrize("total", [32, 0x3400, 52])
    def test_a_total_length_in_a_routers_own_order_is_forgiven(self, total: int) -> None:
        codec = codec4()
        quote = bytearray(bytes(seen4(codec)))
        quote[2:4] = total.to_bytes(2, "big")
        assert codec.decode(error4(bytes(quote)), AT) is not None


NAT = [
    (change(IP, src="10.9.9.9"), ("source address",)),
    (change(Tcp, sport=1025), ("source port",)),
    (change(IP, dst="10.9.9.8"), ("destination address",)),
    (change(Tcp, dport=8080), ("destination port",)),
    (change(Tcp, seq=5), ("sequence number",)),
    (change(IP, id=5), ("ip id",)),
    (change(IP, tos=0x28), ("tos",)),
    (
        change(
            Tcp,
            options=[
                ("MSS", 1380),
                ("NOP", None),
                ("WScale", 8),
                ("NOP", None),
                ("NOP", None),
                ("SAckOK", b""),
            ],
        ),
        ("mss", "options"),
    ),
]


class TestRewrittenQuotes:
    @pytest.mark.parametrize(("rewrite", "changed"), NAT, ids=[" and ".join(changed) for _, changed in NAT])
    def test_each_alone_is_found_and_told(
        self, rewrite: Callable[[Packet], None], changed: tuple[str]
    ) -> None:
        codec = codec4()
        quote = seen4(codec)
        rewrite(quote)
        reply = codec.decode(error4(bytes(quote)), AT)
        assert reply is not None
        assert reply.token == TOKEN
        assert reply.quote is not None
        assert reply.quote.changed == changed

    @pytest.mark.parametrize("pair", [(0, 1), (2, 3), (0, 4), (2, 4), (3, 4), (0, 5), (6, 7)])
    def test_so_are_the_pairs_that_nats_make(self, pair: tuple[int, int]) -> None:
        codec = codec4()
        quote = seen4(codec)
        for index in pair:
            NAT[index][0](quote)
        reply = codec.decode(error4(bytes(quote)), AT)
        assert reply is not None
        assert reply.quote is not None
        assert reply.quote.changed == sum((NAT[index][1] for index in pair), ())

    def test_a_strangers_guess_at_one_field_is_refused(self) -> None:
        codec = codec4()
        ours = seen4(codec)
        guess = IP(src=SOURCE, dst=TARGET, id=77, flags="DF") / Tcp(sport=999, dport=443, seq=55)
        for layer, fields in ((IP, {"id": ours.id}), (Tcp, {"sport": ours.sport}), (Tcp, {"dport": 443})):
            forged = guess.copy()
            change(layer, **fields)(forged)
            assert codec.decode(error4(bytes(forged)), AT) is None

    def test_the_sequence_number_outweighs_an_identification(self) -> None:
        codec = codec4()
        quote = seen4(codec)
        codec.encode(PROBE._replace(token=1))
        quote.id = FIRST_ID + 1  # that of the other probe of this flow
        reply = codec.decode(error4(bytes(quote)), AT)
        assert reply is not None
        assert reply.token == TOKEN

    def test_ipv6_labels_that_anybody_can_compute_prove_nothing(self) -> None:
        codec = codec6(has_fixed_labels=True)
        quote = IPv6(codec.encode(PROBE))
        assert decode6(codec, error6(bytes(quote))) is not None
        quote[Tcp].seq = 5
        assert decode6(codec, error6(bytes(quote))) is None

    def test_ipv6_is_known_by_flow_label_window_and_ports(self) -> None:
        codec = codec6()
        quote = IPv6(codec.encode(PROBE))
        codec.encode(PROBE._replace(token=1, ttl=8))
        codec.encode(PROBE._replace(token=2, port=80))
        quote[Tcp].seq = 5
        reply = decode6(codec, error6(bytes(quote)))
        assert reply is not None
        assert reply.token == TOKEN
        assert reply.quote is not None
        assert reply.quote.changed == ("sequence number",)

    @pytest.mark.parametrize(
        "rewrite",
        [
            change(IPv6, fl=1),
            change(Tcp, sport=BASE + 3),
            change(Tcp, sport=BASE - 1),
            change(Tcp, sport=BASE + FLOWS),
            change(Tcp, window=RECEIVE_WINDOW + 9),
            change(Tcp, window=RECEIVE_WINDOW),
            change(Tcp, dport=80),
        ],
    )
    def test_ipv6_less_than_all_of_them_is_refused(self, rewrite: Callable[[Packet], None]) -> None:
        codec = codec6()
        quote = IPv6(codec.encode(PROBE))
        quote[Tcp].seq = 5
        rewrite(quote)
        assert decode6(codec, error6(bytes(quote))) is None

    def test_ipv6_a_short_quote_has_no_window_to_go_by(self) -> None:
        codec = codec6()
        quote = IPv6(codec.encode(PROBE))
        quote[Tcp].seq = 5
        assert decode6(codec, error6(bytes(quote)[:55])) is None
        assert decode6(codec, error6(bytes(quote)[:56])) is not None

    def test_forgotten_probes_are_strangers(self) -> None:
        codec = codec4()
        quote = bytes(seen4(codec))
        for token in range(REMEMBERED_PROBES):
            codec.encode(PROBE._replace(token=token, flow=5))
        assert codec.decode(error4(quote), AT) is None


class Added(Enum):
    """A kind of probe that only these tests know."""

    ACK = "ack"


ACK = cast("ProbeKind", Added.ACK)
ACK_PROBE = PROBE._replace(kind=ACK)


@pytest.fixture
def _acks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds a kind: a bare ACK; its only answer is a RST, which says that the port is unfiltered."""

    def segment(_mss: int) -> Packet:
        return Tcp(sport=0, dport=0, seq=0, flags="A", window=1024, chksum=0)

    answers = {RST: TcpReading(ReplyKind.RST, SEQUENCE, 0)}
    monkeypatch.setitem(WIRE_KINDS, ACK, WireKind(segment, answers, echoes_token=True))
    monkeypatch.setitem(OUTCOMES, ACK, {ReplyKind.RST: Outcome.OPEN})


@pytest.mark.usefixtures("_acks")
class TestAnotherKind:
    """Entries in two tables are enough to add a kind."""

    @given(probes)
    def test_it_is_encoded_by_its_own_template(self, probe: Probe) -> None:
        for layer, codec, window in ((IP, codec4(), 1024), (IPv6, codec6(), RECEIVE_WINDOW + probe.ttl)):
            packet = layer(codec.encode(probe._replace(kind=ACK)))
            tcp = packet[Tcp]
            assert (tcp.sport, tcp.dport) == (BASE + probe.flow, probe.port)
            assert (tcp.seq, tcp.ack) == (probe.token, probe.token)
            assert (str(tcp.flags), tcp.window, tcp.options) == ("A", window, [])
            assert rebuilt(packet) == bytes(packet)
            assert str(layer(codec.encode(probe))[Tcp].flags) == "S"

    @pytest.mark.parametrize(
        ("probe", "fields", "is_answer"),
        [
            (ACK_PROBE, {"flags": "R", "seq": TOKEN, "ack": 0}, True),
            (ACK_PROBE, {"flags": "R", "seq": TOKEN + 1, "ack": 0}, False),
            (ACK_PROBE, {"flags": "R", "seq": 0, "ack": TOKEN + 1}, False),
            (ACK_PROBE, {"flags": "SA", "seq": TOKEN, "ack": TOKEN + 1}, False),
            (PROBE, {"flags": "R", "seq": TOKEN, "ack": 0}, False),
            (PROBE, {"flags": "R", "seq": 0, "ack": TOKEN + 1}, True),
        ],
    )
    def test_each_kind_has_its_own_answers(
        self, probe: Probe, fields: dict[str, Any], is_answer: bool
    ) -> None:
        four, six = codec4(), codec6()
        four.encode(probe)
        six.encode(probe)
        segment = bytes(IPv6(src=TARGET_6, dst=SOURCE_6) / tcp_answer(**fields))[40:]
        for reply in (
            four.decode(from_target(**fields), AT),
            six.decode(TCP, segment, TARGET_6, 55, AT),
        ):
            assert (reply is not None) is is_answer
            assert reply is None or (reply.token, reply.kind) == (TOKEN, ReplyKind.RST)

    def test_a_quote_is_compared_with_the_template_of_its_kind(self) -> None:
        codec = codec4()
        for probe in (PROBE, ACK_PROBE._replace(token=5)):
            reply = codec.decode(error4(codec.encode(probe)), AT)
            assert reply is not None
            assert reply.token == probe.token
            assert reply.quote is not None
            assert reply.quote.changed == ()

    def test_a_rewritten_quote_is_known_all_the_same(self) -> None:
        for layer, codec in ((IP, codec4()), (IPv6, codec6())):
            quote = layer(codec.encode(ACK_PROBE))
            quote[Tcp].seq = 5
            reply = (
                codec.decode(error4(bytes(quote)), AT)
                if isinstance(codec, Ipv4Codec)
                else decode6(codec, error6(bytes(quote)))
            )
            assert reply is not None
            assert reply.token == TOKEN

    @pytest.mark.parametrize(
        ("probe", "kind", "outcome"),
        [
            (ACK_PROBE, ReplyKind.RST, Outcome.OPEN),
            (ACK_PROBE, ReplyKind.UNREACHABLE, None),
            (PROBE, ReplyKind.RST, Outcome.CLOSED),
            (PROBE, ReplyKind.UNREACHABLE, Outcome.UNREACHABLE),
        ],
    )
    def test_both_engines_end_by_the_terminal_answers_of_the_kind(
        self, probe: Probe, kind: ReplyKind, outcome: Outcome | None
    ) -> None:
        reply = Reply(TOKEN, kind, TARGET, AT)
        port = Port(probe)
        port.answered(port, reply)
        assert (port.outcome, port.final is port) == (outcome, outcome is not None)
        hop = HopState(probe.ttl, 1)
        flight = Flight(probe, Purpose.CELL, is_alone=False)
        flight.replies.append(reply)
        hop.flights.append(flight)
        assert hop.outcome is outcome


LABELS = (MplsLabel(24_012, 3, False, 1), MplsLabel(1_048_575, 0, True, 255))


def mpls_extension() -> bytes:
    """What scapy writes for ``LABELS``, in an object of class 1, type 1 (RFC 4950)."""
    entries = [MPLS(label=e.label, cos=e.traffic_class, s=e.bottom_of_stack, ttl=e.ttl) for e in LABELS]
    stack = b"".join(map(bytes, entries))
    objects = struct.pack("!HBB", 4 + len(stack), 1, 1) + stack
    extension = bytearray(bytes(ICMPExtension_Header(chksum=0))[:4] + objects)
    extension[2:4] = checksum_of(word_sum(bytes(extension))).to_bytes(2, "big")
    return bytes(extension)


class TestMplsLabels:
    def quote(self, codec: Ipv4Codec, length: int = 128) -> bytes:
        return bytes(seen4(codec)).ljust(length, b"\0")

    @pytest.mark.parametrize("words", [32, 0], ids=["RFC 4884", "before it"])
    def test_labels_behind_the_quote_are_read(self, words: int) -> None:
        codec = codec4()
        packet = error4(self.quote(codec) + mpls_extension(), length=words)
        reply = codec.decode(packet, AT)
        assert reply is not None
        assert reply.labels == LABELS
        assert reply.quote is not None
        assert (reply.quote.tcp_length, reply.quote.changed) == (32, ())

    def test_so_they_are_in_ipv6(self) -> None:
        codec = codec6()
        quote = codec.encode(PROBE).ljust(128, b"\0")
        reply = decode6(codec, error6(quote + mpls_extension(), length=16))
        assert reply is not None
        assert reply.labels == LABELS

    def test_no_checksum_is_a_checksum_of_0(self) -> None:
        extension = mpls_extension()
        message = bytes(5) + bytes([32]) + bytes(2) + bytes(128) + extension[:2] + b"\0\0" + extension[4:]
        assert split(message, 5, 4) == (bytes(128), LABELS)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda e: e[:4],
            lambda e: b"\x10" + e[1:],
            lambda e: e[:2] + b"\x12\x34" + e[4:],
            lambda e: e[:2] + b"\0\0\0\x03" + e[6:],
            lambda e: e[:2] + b"\0\0\0\xff" + e[6:],
            lambda e: e[:2] + b"\0\0" + e[4:6] + b"\x02" + e[7:],
            lambda e: e[:2] + b"\0\0\0\x0b" + e[6:],
        ],
        ids=["short", "version", "checksum", "object too short", "object too long", "class", "half a label"],
    )
    def test_a_bad_extension_is_none_and_spoils_nothing(self, spoil: Callable[[bytes], bytes]) -> None:
        codec = codec4()
        reply = codec.decode(error4(self.quote(codec) + spoil(mpls_extension()), length=32), AT)
        assert reply is not None
        assert reply.labels == ()

    def test_a_length_that_leaves_no_quote_is_refused(self) -> None:
        codec = codec4()
        assert codec.decode(error4(self.quote(codec), length=6), AT) is None


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "mss"),
        [
            ("020405b4", 1460),
            ("01010402020405b4", 1460),
            ("00020405b4", None),
            ("0204", None),
            ("02", None),
            ("0200", None),
            ("0203ff", None),
            ("0801", None),
            ("", None),
        ],
    )
    def test_mss(self, options: str, mss: int | None) -> None:
        assert mss_of(bytes.fromhex(options)) == mss

    @pytest.mark.parametrize("offset", [0x00, 0x40, 0x90, 0xF0])
    def test_options_behind_an_impossible_offset_are_unknown(self, offset: int) -> None:
        codec = codec4()
        quote = bytearray(bytes(seen4(codec)))
        quote[32] = offset
        reply = codec.decode(error4(bytes(quote)), AT)
        assert reply is not None
        assert reply.quote is not None
        assert reply.quote.options is None


class TestProbeTable:
    def test_the_newest_of_like_probes_is_found_round_the_corner(self) -> None:
        table = ProbeTable(REMEMBERED_PROBES)
        for token in (10, 11):
            table.add(token, BASE, 80, 5)
        assert table.newest(BASE, 80, 5) == Sent(1, 11, BASE, 80, 5, 0)
        assert table.newest(BASE, 80, 0) is None
        assert table.newest(BASE, 81, 5) is None

    def test_a_token_used_twice_outlives_its_first_slot(self) -> None:
        table = ProbeTable(1)
        for token in (7, 7, *range(100, 100 + REMEMBERED_PROBES - 1)):
            slot = table.add(token, BASE, 80, 5)
        assert slot == 1
        assert table.with_token(7) == Sent(2, 7, BASE, 80, 5, 0)

    def test_an_empty_slot_is_nobody(self) -> None:
        assert ProbeTable(1).with_slot(0, 0) is None


class TestAnyBytes:
    """Any bytes from the network give a reply or None, never an exception."""

    @given(st.binary(max_size=200))
    def test_ipv4(self, packet: bytes) -> None:
        assert hear4(packet) is None

    @given(st.sampled_from([TCP, ICMPV6, 17]), st.binary(max_size=200))
    def test_ipv6(self, protocol: int, payload: bytes) -> None:
        assert codec6().decode(protocol, payload, TARGET_6, None, AT) is None

    @given(st.data())
    def test_a_mutated_error(self, data: st.DataObject) -> None:
        codec = codec4()
        codec_6 = codec6()
        body = mutated(data, bytes(seen4(codec)).ljust(128, b"\0") + mpls_extension())
        reply = codec.decode(
            error4(body, data.draw(st.sampled_from([3, 11])), length=data.draw(st.integers(0, 255))), AT
        )
        assert reply is None or reply.token == TOKEN
        body = mutated(data, codec_6.encode(PROBE).ljust(128, b"\0") + mpls_extension())
        reply = decode6(codec_6, error6(body, length=data.draw(st.integers(0, 255))))
        assert reply is None or reply.token == TOKEN

    @given(st.data())
    def test_a_mutated_answer(self, data: st.DataObject) -> None:
        reply = hear4(mutated(data, from_target(options=[("MSS", 1460)])))
        assert reply is None or reply.token == TOKEN

    @given(st.binary(max_size=300), st.sampled_from([(5, 4), (4, 8)]))
    def test_an_extension(self, message: bytes, length_field: tuple[int, int]) -> None:
        split(bytes(8) + message, *length_field)


def mutated(data: st.DataObject, packet: bytes) -> bytes:
    """``packet`` with some bytes overwritten, then cut somewhere."""
    changed = bytearray(packet)
    for at, value in data.draw(st.dictionaries(st.integers(0, len(packet) - 1), st.integers(0, 255))).items():
        changed[at] = value
    return bytes(changed[: data.draw(st.integers(0, len(packet)))])


def test_the_quoted_destination_is_read_without_judging_the_rest() -> None:
    """Where it is, whatever the outer header's length; too short a packet has none."""
    quote = IP(src="192.0.2.1", dst="198.51.100.9") / Tcp()
    for options in (b"", b"\x01" * 8):
        error = IP(src="10.0.0.1", dst="192.0.2.1", options=options) / ICMP(type=11) / quote
        assert quoted_destination(bytes(error), 4) == bytes([198, 51, 100, 9])
    six = ICMPv6TimeExceeded() / IPv6(src="2001:db8::1", dst="2001:db8::9") / Tcp()
    assert quoted_destination(bytes(six), 6) == bytes.fromhex("20010db8000000000000000000000009")
    assert quoted_destination(b"", 4) == quoted_destination(b"\x03", 6) == b""
