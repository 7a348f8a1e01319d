"""Writes packets to a classic pcap file for tcpdump, tshark and Wireshark. Knows no socket, opens no file.

The format: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html. Packets begin at their IP header.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class Stream(Protocol):
        """What takes bytes."""

        def write(self, data: bytes, /) -> object:
            """Add ``data``."""


MICROSECONDS_MAGIC = 0xA1B2C3D4
FORMAT_VERSION = (2, 4)
LINKTYPE_RAW = 101
"""Raw IP: the first four bits of each packet say whether it is IPv4 or IPv6."""
SNAPSHOT_LENGTH = 65_535
"""The most bytes kept of a packet: the longest IPv4 packet, and any answer to a SYN, fits."""

_HEADER = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")


class PcapWriter:
    """Writes to ``stream`` (opened and closed by the caller), one write for each packet.

    The header is written at once, so that a trace without packets also gives a valid file.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        stream.write(_HEADER.pack(MICROSECONDS_MAGIC, *FORMAT_VERSION, 0, 0, SNAPSHOT_LENGTH, LINKTYPE_RAW))

    def write(self, instant: float, packet: bytes) -> None:
        """Add ``packet``, sent or received at ``instant`` (seconds since 1970, UTC)."""
        seconds, microseconds = divmod(round(instant * 1_000_000), 1_000_000)
        kept = packet[:SNAPSHOT_LENGTH]
        self._stream.write(_RECORD.pack(seconds, microseconds, len(kept), len(packet)) + kept)
