"""Socket filters in classic BPF, written by hand: no libpcap to load, no compiler to run.

A raw socket gets a copy of every packet of its protocol that reaches this machine. These programs pass only
possible replies into its queue; the codec still checks what passes.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import NamedTuple

from tracetcp.wire.protocols import ICMP_ERRORS, TCP

SO_ATTACH_FILTER = 26

LOAD_WORD, LOAD_HALF, LOAD_BYTE = 0x20, 0x28, 0x30
LOAD_HALF_AT_X, LOAD_BYTE_AT_X = 0x48, 0x50
X_FROM_IP_HEADER_LENGTH = 0xB1
JUMP_EQUAL, JUMP_GREATER, JUMP_AT_LEAST = 0x15, 0x25, 0x35
RETURN = 0x06
NETWORK_HEADER = 0xFFF00000
"""Offsets from this value count from the IP header (SKF_NET_OFF), even if the socket does not deliver it."""
WHOLE_PACKET, NO_BYTES = 0xFFFF, 0

SYN_ACK, RST, RST_ACK = 0x12, 0x04, 0x14


class Match(NamedTuple):
    """Load a value; continue if it is one of ``values`` (or in ``span``), else drop the packet."""

    load: tuple[int, int]
    values: tuple[int, ...] = ()
    span: range | None = None


def tcp_answers(destination: bytes, source_ports: range) -> bytes:
    """A program that passes SYN-ACK and RST from ``destination`` (packed address) to ``source_ports``."""
    is_ipv4 = len(destination) == 4
    words = struct.unpack(f"!{len(destination) // 4}I", destination)
    sender_at = NETWORK_HEADER + (12 if is_ipv4 else 8)
    matches = [Match((LOAD_WORD, sender_at + 4 * i), (word,)) for i, word in enumerate(words)]
    return _program([*matches, *_answers(source_ports, is_ipv4=is_ipv4)], is_ipv4)


def any_tcp_answers(family: int, source_ports: range) -> bytes:
    """A program that passes SYN-ACK and RST from anywhere to ``source_ports``; ``family`` is 4 or 6."""
    return _program(_answers(source_ports, is_ipv4=family == 4), family == 4)


def _answers(source_ports: range, *, is_ipv4: bool) -> list[Match]:
    half, byte = (LOAD_HALF_AT_X, LOAD_BYTE_AT_X) if is_ipv4 else (LOAD_HALF, LOAD_BYTE)
    return [Match((half, 2), span=source_ports), Match((byte, 13), (SYN_ACK, RST, RST_ACK))]


def icmp_errors(family: int) -> bytes:
    """A program that passes Time Exceeded and Unreachable that quote TCP: ICMP (``family`` 4) or ICMPv6."""
    if family == 4:
        return _program(
            [Match((LOAD_BYTE_AT_X, 0), tuple(ICMP_ERRORS[4])), Match((LOAD_BYTE_AT_X, 8 + 9), (TCP,))], True
        )
    return _program([Match((LOAD_BYTE, 0), tuple(ICMP_ERRORS[6])), Match((LOAD_BYTE, 8 + 6), (TCP,))], False)


def attach(to: socket.socket, program: bytes) -> None:
    """Make the socket ``to`` queue only what ``program`` passes."""
    code = ctypes.create_string_buffer(program, len(program))
    to.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    )


def _program(matches: list[Match], has_ip_header: bool) -> bytes:
    """``matches`` in order; each drops at once what fails it. A jump's operand is the number to skip."""
    code = [_instruction(X_FROM_IP_HEADER_LENGTH, 0)] if has_ip_header else []
    for match in matches:
        code.append(_instruction(*match.load))
        if match.span is not None:
            code += [_instruction(JUMP_AT_LEAST, match.span.start, 0, 1)]
            code += [_instruction(JUMP_GREATER, match.span.stop - 1, 0, 1)]
        else:
            last = len(match.values) - 1
            code += [_instruction(JUMP_EQUAL, v, last - i + 1) for i, v in enumerate(match.values)]
        code.append(_instruction(RETURN, NO_BYTES))
    return b"".join([*code, _instruction(RETURN, WHOLE_PACKET)])


def _instruction(operation: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("@HBBI", operation, if_true, if_false, operand)


NOTHING_PASSES = _instruction(RETURN, NO_BYTES)
