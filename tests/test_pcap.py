"""pcap files as other programs read them."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tracetcp.wire.pcap import SNAPSHOT_LENGTH, PcapWriter

if TYPE_CHECKING:
    from pathlib import Path

AT = 1_700_000_000.123456


def syns() -> list[bytes]:
    from scapy.layers.inet import IP, TCP
    from scapy.layers.inet6 import IPv6

    return [
        bytes(IP(src="192.0.2.1", dst="198.51.100.9", ttl=3) / TCP(sport=40_000, dport=443, seq=77)),
        bytes(IPv6(src="2001:db8::1", dst="2001:db8::9", hlim=4) / TCP(sport=40_001, dport=80, flags="SA")),
    ]


def pcap(packets: list[bytes]) -> bytes:
    stream = io.BytesIO()
    writer = PcapWriter(stream)
    for number, packet in enumerate(packets):
        writer.write(AT + number, packet)
    return stream.getvalue()


def test_scapy_reads_back_every_packet_and_instant(tmp_path: Path) -> None:
    from scapy.utils import RawPcapReader

    file = tmp_path / "trace.pcap"
    file.write_bytes(pcap(syns()))
    with RawPcapReader(str(file)) as reader:
        assert reader.linktype == 101
        read = list(reader)
    assert [packet for packet, _ in read] == syns()
    assert [(meta.sec, meta.usec) for _, meta in read] == [(1_700_000_000, 123_456), (1_700_000_001, 123_456)]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_sees_both_families(tmp_path: Path) -> None:
    file = tmp_path / "trace.pcap"
    file.write_bytes(pcap(syns()))
    command = [
        "tshark",
        "-n",
        "-r",
        str(file),
        "-T",
        "json",
        "-e",
        "tcp.dstport",
        "-e",
        "ip.ttl",
        "-e",
        "ipv6.hlim",
    ]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    layers = [packet["_source"]["layers"] for packet in json.loads(answer.stdout)]
    assert layers == [{"tcp.dstport": ["443"], "ip.ttl": ["3"]}, {"tcp.dstport": ["80"], "ipv6.hlim": ["4"]}]


def test_a_file_without_packets_has_its_header() -> None:
    assert len(pcap([])) == 24


def test_an_instant_never_rounds_up_to_a_million_microseconds() -> None:
    stream = io.BytesIO()
    PcapWriter(stream).write(9.9999999, b"E")
    assert stream.getvalue()[24:32] == (10).to_bytes(4, "little") + bytes(4)


def test_a_packet_too_long_is_cut_and_says_so() -> None:
    stream = io.BytesIO()
    PcapWriter(stream).write(0.0, bytes(SNAPSHOT_LENGTH + 5))
    kept, whole = stream.getvalue()[32:36], stream.getvalue()[36:40]
    assert (int.from_bytes(kept, "little"), int.from_bytes(whole, "little")) == (65_535, 65_540)
