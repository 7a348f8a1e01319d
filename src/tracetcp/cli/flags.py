"""The argparse declaration of every flag, with its help. ``parsing`` turns the result into a configuration.

Imports neither scapy nor dnspython nor the model: help and usage errors must be instant.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, NoReturn

from tracetcp import __version__
from tracetcp.errors import UsageError
from tracetcp.limits import (
    HEARTBEATS,
    LAST_TTL,
    MARKS,
    MAX_HOPS,
    MOST_SILENCES,
    PINGS,
    PORTS,
    RATES,
    SILENCES,
    SOURCE_PORTS,
    START_HOPS,
    TIMEOUTS,
    TOS,
    WATCH_COUNTS,
    WATCH_INTERVALS,
    whole_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


DESCRIPTION = "Show where TCP packets to a port really go: SYNs with rising TTLs, answered hop by hop."
USAGE = "tracetcp [options] host[:port]"
EXAMPLES = """\
targets:
  www.example.com              port 80
  192.0.2.1:443, host:https    a number or a service name
  host:22,80,8000-8010         several ports, in this order
  2001:db8::1, [2001:db8::1]:443, fe80::1%eth0
  https://host/path            the URL's host and port

examples:
  tracetcp www.example.com:443               the path of HTTPS
  tracetcp -n -c -r 130 140 -h 3 -m 1 host   which ports does hop 3 let pass?
  tracetcp -s 1 1024 192.0.2.1               which ports of a host are open?
  tracetcp -f targets.txt --json > out       a record for each target of a list

environment: TRACETCP_OPTIONS holds options that go before those of the command line

exit status: 0 a port was reached, 1 none was, 2 wrong usage, 3 could not run, 130 interrupted
"""
DEFAULT_RATE = 100
SCAN_START_HOP = 128
"""The start hop of ``-s``: beyond any path."""
PRECISIONS = range(4)
PERCENTS = range(90, 100)
USUAL_PERCENT = 95
BRANCHES = "--branches"


class _Help(argparse.Action):
    """Ends parsing by raising the text that argparse's ``help`` and ``version`` would print."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        raise _MessageAsked(parser.format_help() if self.dest == "help" else f"tracetcp {__version__}\n")


class _MessageAsked(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _Format(argparse.RawDescriptionHelpFormatter):
    """Of a fixed width: to ask for that of the terminal, argparse would import ``shutil``, for 2 ms."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=78)


class _Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` that raises ``UsageError`` instead of printing and exiting."""

    words: Sequence[str] = ()
    """What is parsed, for messages."""

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ")
        if ignored := re.search(r"ignored explicit argument '(.*)'", message):
            message = self._not_taken(ignored[1])
        elif lacking := re.fullmatch(r"(.*): expected (one argument|\d+ arguments)", message):
            message += self._usage(lacking[1])
        if message.startswith("-h/"):
            message += " (-h is the start hop; help is -? or --help)"
        raise UsageError(message)

    def _not_taken(self, value: str) -> str:
        """What is wrong with ``value`` after a flag that takes none: ``--flag=value``, or ``-cz``."""
        for word in self.words:
            flag, _, given = word.partition("=")
            if word.startswith("--") and given == value:
                return f"{flag} takes no value: leave '={value}' out"
        return f"unknown flag -{value[:1]}: see tracetcp --help"

    def _usage(self, names: str) -> str:
        """How the flag of these ``names`` (``-t/--timeout``) is used."""
        action = next(each for each in self._actions if "/".join(each.option_strings) == names)
        values = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar or ())
        return f": use '{action.option_strings[0]} {values}': {action.help}"


def number(allowed: range, what: str) -> Callable[[str], int]:
    """An argparse type: a whole number in ``allowed``; error messages call it ``what``."""

    def convert(text: str) -> int:
        value = whole_number(text)
        if value is None or value not in allowed:
            raise argparse.ArgumentTypeError(
                f"{what} {text!r} is out of range: use {allowed[0]} to {allowed[-1]}"
                if value is not None
                else f"{what} {text!r} is not a number: use {allowed[0]} to {allowed[-1]}"
            )
        return value

    return convert


def mark(text: str) -> int:
    """An argparse type: a firewall mark, decimal or, as ``ip rule`` shows it, hexadecimal."""
    bounds = f"use {MARKS[0]} to {MARKS[-1]}, or 0x1 to {MARKS[-1]:#x}"
    if not re.fullmatch(r"0[xX][0-9a-fA-F]{1,9}|[0-9]{1,11}", text):
        raise argparse.ArgumentTypeError(f"mark {text!r} is not a number: {bounds}")
    value = int(text, 16 if text[1:2] in ("x", "X") else 10)
    if value not in MARKS:
        raise argparse.ArgumentTypeError(f"mark {text!r} is out of range: {bounds}")
    return value


def split_percent(argv: Sequence[str]) -> tuple[list[str], int]:
    """``argv`` with plain ``--branches`` for ``--branches=PERCENT``, and that percentage.

    argparse would take the host for an optional value. Raises ``UsageError`` for one out of range.
    """
    words: list[str] = []
    percent = USUAL_PERCENT
    for place, word in enumerate(argv):
        if word == "--":
            return [*words, *argv[place:]], percent
        if word.startswith(f"{BRANCHES}="):
            try:
                percent = number(PERCENTS, "percentage")(word.partition("=")[2])
            except argparse.ArgumentTypeError as error:
                raise UsageError(f"{BRANCHES}: {error}") from None
            word = BRANCHES  # noqa: PLW2901 - it is the flag without its value
        words.append(word)
    return words, percent


def silences(text: str) -> tuple[int, ...]:
    """An argparse type: seconds of silence, ascending, each once."""
    convert = number(SILENCES, "silence")
    found = tuple(sorted({convert(each) for each in text.split(",")}))
    if len(found) > MOST_SILENCES:
        raise argparse.ArgumentTypeError(f"{len(found)} silences are too many: give {MOST_SILENCES} at most")
    return found


def gateway(text: str) -> str:
    """An argparse type: an IPv4 or IPv6 address, returned unchanged."""
    from tracetcp.addresses import usual_text

    if usual_text(text) is None:
        raise argparse.ArgumentTypeError(f"gateway {text!r} is no address: use an IPv4 or IPv6 address")
    return text


def build_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser that declares every flag; ``words`` are those that it is to parse, for its messages."""
    parser = _Parser(
        prog="tracetcp",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=_Format,
        add_help=False,
        allow_abbrev=False,
        argument_default=None,
    )
    parser.words = words
    parser.add_argument("target", nargs="*", metavar="host[:port]", help=argparse.SUPPRESS)
    path = parser.add_argument_group("path")
    path.add_argument(
        "-h",
        "--start-hop",
        type=number(START_HOPS, "start hop"),
        metavar="N",
        help=f"first TTL (1..{LAST_TTL}, default 1); this is not help",
    )
    path.add_argument(
        "-m",
        "--max-hops",
        type=number(MAX_HOPS, "number of hops"),
        metavar="N",
        help=f"number of hops, counted from the start hop (1..{LAST_TTL}, default 30)",
    )
    path.add_argument(
        "-p",
        "--pings",
        type=number(PINGS, "number of pings"),
        metavar="N",
        help="probes per hop (1..100, default 3)",
    )
    path.add_argument(
        "-t",
        "--timeout",
        type=number(TIMEOUTS, "timeout"),
        metavar="MS",
        help="longest wait for each reply, in milliseconds (1..99999, default 4000)",
    )
    ports = parser.add_argument_group("ports")
    ports.add_argument(
        "-r",
        "--port-range",
        nargs=2,
        type=number(PORTS, "port"),
        metavar=("P1", "P2"),
        help="one trace per port from P1 to P2 (0..65535)",
    )
    ports.add_argument(
        "-s",
        "--scan",
        nargs=2,
        type=number(PORTS, "port"),
        metavar=("P1", "P2"),
        help=f"easy port scan: as -c -n -r P1 P2 -h {SCAN_START_HOP} -m 1 -p 1",
    )
    many = parser.add_argument_group("many targets")
    many.add_argument(
        "-f", "--targets", metavar="FILE", help="trace the targets in FILE, one a line (- for standard input)"
    )
    many.add_argument(
        "--rate",
        type=number(RATES, "rate"),
        metavar="N",
        help=f"probes a second over all targets (1..{RATES[-1]}, default {DEFAULT_RATE})",
    )
    many.add_argument(
        "--resume", metavar="FILE", help="leave out what has a record in FILE, which --json wrote"
    )
    many.add_argument(
        "--all-addresses", action="store_true", help="trace every address of a name, and compare them"
    )
    output = parser.add_argument_group("output")
    output.add_argument("-c", "--condensed", action="store_true", help="condensed output: a record a line")
    output.add_argument("-n", "--numeric", action="store_true", help="no reverse DNS")
    output.add_argument(
        "--precision",
        type=number(PRECISIONS, "precision"),
        metavar="D",
        help="decimals of a millisecond (0..3, default 0)",
    )
    output.add_argument("-e", "--explain", action="store_true", help="say what each trace means, and why")
    output.add_argument(
        "--compare",
        nargs=2,
        type=number(PORTS, "port"),
        metavar=("P1", "P2"),
        help="explain the paths of two ports and show them side by side",
    )
    output.add_argument("--json", action="store_true", help="one JSON object a trace, one line an object")
    output.add_argument(
        "--report",
        action="store_true",
        help="explain the trace in one Markdown text for a ticket, and say whom to call",
    )
    output.add_argument("--pcap", metavar="FILE", help="keep our probes and the replies that counted")
    output.add_argument(
        "--picture",
        metavar="FILE",
        help="draw the path, the branches or the compared ports into FILE (.svg, .dot or .mmd)",
    )
    output.add_argument("-A", "--asn", action="store_true", help="origin AS of each hop, looked up in DNS")
    connection = parser.add_argument_group("connection")
    connection.add_argument(
        "--mtu",
        action="store_true",
        help="after the trace, find the packet size that the connection loses, and where",
    )
    connection.add_argument(
        "--say",
        metavar="WORDS",
        help="after the trace, say this to the host and find who stops or answers it:"
        " tls, tls:NAME, http, http:NAME, or @FILE (one segment)",
    )
    connection.add_argument(
        "--versus", metavar="NAME", help="the harmless name that --say compares with (default example.com)"
    )
    connection.add_argument(
        "--idle",
        type=silences,
        metavar="S[,S...]",
        help="after the trace, leave connections silent for so many seconds, then find where they "
        "are forgotten",
    )
    paths = parser.add_argument_group("load sharing")
    paths.add_argument(
        BRANCHES,
        action="store_true",
        help="after the trace, find every path that load sharing makes; --branches=99 for 99 %% certainty",
    )
    watching = parser.add_argument_group("watching")
    watching.add_argument(
        "--watch",
        type=number(WATCH_INTERVALS, "interval"),
        metavar="S",
        help="ask again every S seconds and tell what changes, until Ctrl-C",
    )
    watching.add_argument(
        "--count",
        type=number(WATCH_COUNTS, "count"),
        metavar="N",
        help="end the watch after N intervals",
    )
    watching.add_argument(
        "--heartbeat",
        type=number(HEARTBEATS, "heartbeat"),
        metavar="S",
        help="tell every S seconds how things are, changed or not",
    )
    watching.add_argument(
        "--metrics", metavar="FILE", help="keep OpenMetrics text of the watch in FILE, for monitoring"
    )
    sending = parser.add_argument_group("sending")
    sending.add_argument(
        "-F", "--no-anti-flood", action="store_true", help="no pacing and no slow retries at limited routers"
    )
    sending.add_argument("-4", dest="ipv4", action="store_true", help="IPv4 only")
    sending.add_argument("-6", dest="ipv6", action="store_true", help="IPv6 only")
    sending.add_argument(
        "-i", "--interface", metavar="NAME|ADDRESS", help="send from this interface or local address"
    )
    sending.add_argument(
        "-g",
        "--gateway",
        type=gateway,
        metavar="ADDRESS",
        help="send through this gateway on the local link",
    )
    sending.add_argument(
        "--source-port",
        type=number(SOURCE_PORTS, "source port"),
        metavar="N",
        help=f"send from port N on, as another run did ({SOURCE_PORTS[0]}..{SOURCE_PORTS[-1]})",
    )
    sending.add_argument(
        "--tos",
        type=number(TOS, "TOS byte"),
        metavar="N",
        help=f"TOS byte, IPv6 traffic class, of what is sent: DSCP times 4 ({TOS[0]}..{TOS[-1]}, default 0)",
    )
    sending.add_argument(
        "--mark",
        type=mark,
        metavar="N",
        help="firewall mark of the probes inside this machine, for its routing rules (root)",
    )
    sending.add_argument(
        "-R", "--raw", action="store_true", help="insist on raw sockets: an error rather than the fallback"
    )
    files = parser.add_argument_group("saved runs")
    files.add_argument(
        "--diff",
        nargs=2,
        metavar=("OLD", "NEW"),
        help="say what changed between two files of --json; exit status 0 same, 1 different, 2 unreadable",
    )
    about = parser.add_argument_group("about")
    about.add_argument("-?", "--help", dest="help", nargs=0, action=_Help, help="show this help")
    about.add_argument(
        "--check", action="store_true", help="look whether this machine can trace (to the host, if given)"
    )
    about.add_argument("-v", "--version", dest="version", nargs=0, action=_Help, help="show the version")
    return parser
