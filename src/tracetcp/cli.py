"""The command line: argv to a ``TraceConfig`` and how to show it. One argparse declaration, nothing sent.

Imports neither scapy nor dnspython, and dataclasses only for a trace: help and usage errors must be instant.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from tracetcp import __version__
from tracetcp.errors import MissingHost, UsageError
from tracetcp.limits import LAST_TTL, MAX_HOPS, PINGS, PORTS, START_HOPS, TIMEOUTS, whole_number
from tracetcp.target import parse_target, port_range

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracetcp.config import TraceConfig

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

exit status: 0 a port was reached, 1 none was, 2 wrong usage, 3 could not run, 130 interrupted
"""
SCAN_START_HOP = 128
"""The start hop of ``-s``: beyond any path."""
DEFAULTS = {"start_hop": 1, "max_hops": 30, "pings": 3, "timeout": 4000}
SCAN_DEFAULTS = {"start_hop": SCAN_START_HOP, "max_hops": 1, "pings": 1, "timeout": 4000}
PRECISIONS = range(4)


class Display(NamedTuple):
    """How the traces are shown. ``precision`` is the number of decimals of an RTT in milliseconds."""

    condensed: bool = False
    numeric: bool = False
    precision: int = 0
    explain: bool = False
    compare: bool = False
    json: bool = False
    asn: bool = False
    pcap: str | None = None


class Invocation(NamedTuple):
    """One command line, understood."""

    config: TraceConfig
    display: Display


class Message(NamedTuple):
    """A command line that asks for a text instead of a trace."""

    text: str


class Check(NamedTuple):
    """A command line that asks whether this machine can trace, towards ``host`` if one is given."""

    host: str | None
    family: int | None = None


class _Help(argparse.Action):
    """Ends parsing with a text, as ``help`` and ``version`` of argparse do by printing it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        raise _MessageAsked(parser.format_help() if self.dest == "help" else f"tracetcp {__version__}\n")


class _MessageAsked(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _Parser(argparse.ArgumentParser):
    """argparse that raises sentences instead of printing and exiting."""

    def error(self, message: str) -> NoReturn:
        if ignored := re.search(r"ignored explicit argument '(.*)'", message):
            message = f"unknown flag -{ignored[1][:1]}: see tracetcp --help"
        message = message.removeprefix("argument ")
        if message.startswith("-h/"):
            message += " (-h is the start hop; help is -? or --help)"
        raise UsageError(message)


def number(allowed: range, what: str) -> Callable[[str], int]:
    """An argparse type: a whole number in ``allowed``, called ``what`` in the message."""

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


def gateway(text: str) -> str:
    """An argparse type: an address as it stands."""
    from tracetcp.hosts import usual_text

    if usual_text(text) is None:
        raise argparse.ArgumentTypeError(f"gateway {text!r} is no address: use an IPv4 or IPv6 address")
    return text


def build_parser() -> argparse.ArgumentParser:
    """The one declaration of every flag."""
    parser = _Parser(
        prog="tracetcp",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
        argument_default=None,
    )
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
    output.add_argument("--pcap", metavar="FILE", help="keep our probes and the replies that counted")
    output.add_argument("-A", "--asn", action="store_true", help="origin AS of each hop, looked up in DNS")
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
        "-R", "--raw", action="store_true", help="insist on raw sockets: an error rather than the fallback"
    )
    about = parser.add_argument_group("about")
    about.add_argument("-?", "--help", dest="help", nargs=0, action=_Help, help="show this help")
    about.add_argument(
        "--check", action="store_true", help="look whether this machine can trace (to the host, if given)"
    )
    about.add_argument("-v", "--version", dest="version", nargs=0, action=_Help, help="show the version")
    return parser


def parse(argv: Sequence[str]) -> Invocation | Message | Check:
    """Understand a command line; raises ``UsageError`` with a sentence for whatever is wrong with it."""
    parser = build_parser()
    try:
        options, rest = parser.parse_known_args(list(argv))
    except _MessageAsked as asked:
        return Message(asked.text)
    _refuse_unknown(parser, [word for word in rest if word.startswith("-") and word != "-"])
    if options.check:
        targets = [*options.target, *rest]
        return Check(parse_target(_only_target(targets)).host if targets else None, _family(options))
    return Invocation(_config(options, _only_target([*options.target, *rest])), _display(options))


def _refuse_unknown(parser: argparse.ArgumentParser, flags: list[str]) -> None:
    if not flags:
        return
    from difflib import get_close_matches

    known = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001
    flag = flags[0].partition("=")[0]
    near = get_close_matches(flag, [name for name in known if name.startswith("--")], n=1)
    remedy = f"did you mean {near[0]}?" if near else "see tracetcp --help"
    raise UsageError(f"unknown flag {flag}: {remedy}")


def _only_target(targets: list[str]) -> str:
    if not targets:
        raise MissingHost("no host given: name the host to trace, as in 'tracetcp www.example.com:443'")
    if len(targets) > 1:
        raise UsageError(f"unexpected argument {targets[1]!r}: give one target, {USAGE}")
    return targets[0]


def _config(options: argparse.Namespace, typed: str) -> TraceConfig:
    from tracetcp.config import TraceConfig

    family = _family(options)
    if sum(bool(named) for named in (options.port_range, options.scan, options.compare)) > 1:
        raise UsageError("-r, -s and --compare all name ports: give one of them")
    target = parse_target(typed)
    bounds = options.port_range or options.scan
    ports: Sequence[int] = target.ports
    if bounds:
        ports = port_range(*bounds)
    elif options.compare:
        ports = tuple(options.compare)
        if ports[0] == ports[1]:
            raise UsageError(f"--compare names port {ports[0]} twice: give two different ports")
    defaults = SCAN_DEFAULTS if options.scan else DEFAULTS
    values = {
        name: default if getattr(options, name) is None else getattr(options, name)
        for name, default in defaults.items()
    }
    return TraceConfig(
        host=target.host,
        ports=ports,
        start_hop=values["start_hop"],
        max_hops=values["max_hops"],
        pings=values["pings"],
        timeout=values["timeout"] / 1000,
        anti_flood=not options.no_anti_flood,
        family=family,
        interface=options.interface,
        gateway=options.gateway,
        raw_only=options.raw,
    )


def _family(options: argparse.Namespace) -> int | None:
    if options.ipv4 and options.ipv6:
        raise UsageError("-4 and -6 exclude each other: give one of them, or neither")
    return 4 if options.ipv4 else 6 if options.ipv6 else None


def _display(options: argparse.Namespace) -> Display:
    if options.json and options.condensed:
        raise UsageError("--json and -c exclude each other: give one of them")
    is_scan = options.scan is not None
    return Display(
        condensed=options.condensed or is_scan,
        numeric=options.numeric or is_scan,
        precision=options.precision or 0,
        explain=options.explain or options.compare is not None,
        compare=options.compare is not None,
        json=options.json,
        asn=options.asn,
        pcap=options.pcap,
    )
