"""The command line: turns argv into a ``TraceConfig`` and a ``Display``. Opens and sends nothing.

Imports neither scapy nor dnspython, and dataclasses only for a trace: help and usage errors must be instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetcp.cli.flags import DEFAULT_RATE, SCAN_START_HOP, USAGE, _MessageAsked, build_parser, split_percent
from tracetcp.cli.target import parse_target, port_range
from tracetcp.errors import MissingHost, UsageError
from tracetcp.formatters.display import Display

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tracetcp.config import Say, TraceConfig, Watch

OPTIONS_VARIABLE = "TRACETCP_OPTIONS"
"""The environment variable with options that go before every command line."""
ANY_TARGET = "listed"
"""Stands for the host where a list names it."""
TRACE_DEFAULTS = {"start_hop": 1, "max_hops": 30, "pings": 3, "timeout": 4000}
PICTURE_ENDINGS = (".svg", ".dot", ".mmd")
REPORT_PRECISION = 1
"""Decimals of a millisecond in a report where none are asked for."""
PRINTER_PORTS = range(9100, 9108)
"""Where printers listen (AppSocket): they print what is said to them."""
SCAN_DEFAULTS = {"start_hop": SCAN_START_HOP, "max_hops": 1, "pings": 1, "timeout": 4000}


class Invocation(NamedTuple):
    """A command line that asks for a trace: what to trace, how to show it, and how to watch it if at all."""

    config: TraceConfig
    display: Display
    watch: Watch | None = None


class ManyTargets(NamedTuple):
    """A command line that asks for traces of many targets, or of all addresses of one.

    ``config`` holds for each but for its host and ports; ``path`` is the list of targets, ``-`` standard
    input, None where the host of ``config`` is the only one. ``ports``, if given, win over those in the list.
    """

    config: TraceConfig
    display: Display
    path: str | None
    ports: Sequence[int] | None
    rate: int
    resume: str | None
    all_addresses: bool


class Message(NamedTuple):
    """A command line that asks for a text instead of a trace."""

    text: str


class Check(NamedTuple):
    """A command line that asks whether this machine can trace, to ``host`` if one is given."""

    host: str | None
    family: int | None = None


class Diff(NamedTuple):
    """A command line that asks what differs between two files of traces."""

    old: str
    new: str
    json: bool = False


def parse(argv: Sequence[str], preset: str = "") -> Invocation | ManyTargets | Message | Check | Diff:
    """Parse a command line; raises ``UsageError`` if anything in it is wrong.

    ``preset`` is a text of words, quoted as for a shell, that go before it: those of ``OPTIONS_VARIABLE``.
    They are about traces, so ``--diff`` goes without them.
    """
    if not preset.strip() or "--diff" in argv:
        return _parse(argv)
    try:
        return _parse([*_words(preset), *argv])
    except MissingHost:
        raise
    except UsageError as error:
        raise UsageError(f"{error} ({OPTIONS_VARIABLE} is {preset!r})") from error


def _words(preset: str) -> list[str]:
    import shlex

    try:
        return shlex.split(preset)
    except ValueError as error:
        raise UsageError(
            f"a quote is not closed: quote as for a shell, or unset {OPTIONS_VARIABLE}"
        ) from error


def _parse(argv: Sequence[str]) -> Invocation | ManyTargets | Message | Check | Diff:
    words, percent = split_percent(argv)
    parser = build_parser(words)
    try:
        options, rest = parser.parse_known_args(words)
    except _MessageAsked as asked:
        return Message(asked.text)
    _refuse_unknown(parser, [word for word in rest if word.startswith("-") and word != "-"])
    targets = [*options.target, *rest]
    if options.diff:
        return _diff(parser, options, targets)
    if options.check:
        return Check(parse_target(_only_target(targets)).host if targets else None, _family(options))
    if options.watch is None:
        for flag in ("count", "heartbeat", "metrics"):
            if getattr(options, flag) is not None:
                raise UsageError(f"--{flag} needs --watch: give both, or neither")
    if options.targets is not None or options.all_addresses:
        return _many(options, targets)
    return _one(options, targets, percent)


def _one(options: argparse.Namespace, targets: list[str], percent: int) -> Invocation:
    """What is asked of one target; what does not go together is refused."""
    for flag, value in (("--rate", options.rate), ("--resume", options.resume)):
        if value is not None:
            raise UsageError(f"{flag} is for many targets: give it with -f or --all-addresses")
    if options.mark is not None:
        _refuse_beside_mark(options)
    config = _config(options, _only_target(targets))
    watch = _watch(options, config)
    if options.report:
        _refuse_beside_report(options, config.ports)
    if options.versus is not None and options.say is None:
        raise UsageError("--versus goes with --say: give both, as in --say tls:NAME --versus NAME")
    tests = (("--mtu", options.mtu), ("--say", options.say is not None), ("--idle", options.idle))
    for flag, is_given in tests:
        if is_given:
            _refuse_beside(flag, options, config.ports)
    say = None
    if options.say is not None:
        from tracetcp.cli.say import parse_say

        say = parse_say(options.say, options.versus, config.host)
    _refuse_to_draw(options, config)
    return Invocation(config, _display(options, say, percent if options.branches else 0), watch)


def _watch(options: argparse.Namespace, config: TraceConfig) -> Watch | None:
    """How to watch; refuses what a watch of one port cannot go with."""
    if options.watch is None:
        return None
    others = {"--mtu": options.mtu, "--say": options.say, "--idle": options.idle, "--report": options.report}
    others |= {"-c": options.condensed, "--compare": options.compare, "--branches": options.branches}
    others |= {"--picture": options.picture, "--mark": options.mark}
    for flag, is_given in others.items():
        if is_given:
            raise UsageError(f"--watch and {flag} exclude each other: give one of them")
    if options.scan or config.is_scan:
        raise UsageError(
            "--watch and -s exclude each other: a watch follows the path to one port, a scan has none"
        )
    if len(config.ports) > 1:
        raise UsageError(f"--watch watches one port, and {len(config.ports)} are given: start one for each")
    if options.metrics == "":
        raise UsageError("--metrics names no file: give one, as in --metrics /var/lib/node_exporter/db.prom")
    from tracetcp.config import Watch

    return Watch(options.watch, options.count, options.heartbeat)


def _diff(parser: argparse.ArgumentParser, options: argparse.Namespace, targets: list[str]) -> Diff:
    """Nothing but ``--json`` goes with ``--diff``: it traces nothing."""
    if targets:
        raise UsageError(
            f"--diff and a target exclude each other: --diff reads two files and traces nothing, "
            f"so leave {targets[0]!r} out"
        )
    for action in parser._actions:  # noqa: SLF001
        value = getattr(options, action.dest, None)
        is_given = action.option_strings and value is not None and value is not False
        if is_given and action.dest not in ("diff", "json"):
            flag = action.option_strings[0]
            raise UsageError(
                f"--diff and {flag} exclude each other: --diff reads two files and traces nothing"
            )
    old, new = options.diff
    if old == new == "-":
        raise UsageError("--diff names standard input twice: one of OLD and NEW must be a file")
    return Diff(old, new, json=options.json)


def _refuse_beside(flag: str, options: argparse.Namespace, ports: Sequence[int]) -> None:
    """What ``flag`` cannot go with: it opens connections of this machine's own to one port."""
    if options.scan:
        raise UsageError(
            f"{flag} and -s exclude each other: {flag} needs the path to one open port, -s has none"
        )
    if len(ports) > 1:
        raise UsageError(
            f"{flag} tests the connection to one port: give one port, and neither -r nor --compare"
        )
    if options.gateway:
        raise UsageError(f"{flag} and -g exclude each other: connections go the routing table's way")
    if ports[0] in PRINTER_PORTS:
        raise UsageError(f"{flag} does not speak to port {ports[0]}: a printer prints whatever it hears")


def _refuse_beside_mark(options: argparse.Namespace) -> None:
    """What a mark cannot go with: nothing asks the routing table, or root's rights are gone by then."""
    if options.gateway:
        raise UsageError("--mark and -g exclude each other: a mark is for the routing table, -g replaces it")
    for flag, is_given in (("--mtu", options.mtu), ("--say", options.say), ("--idle", options.idle)):
        if is_given:
            raise UsageError(
                f"--mark and {flag} exclude each other: connections are opened when root's rights are gone"
            )


def _refuse_beside_report(options: argparse.Namespace, ports: Sequence[int]) -> None:
    """What ``--report`` cannot go with: it is one text about one port."""
    others = {"--json": options.json, "-c": options.condensed, "-s": options.scan, "-r": options.port_range}
    others |= {"--compare": options.compare, "--pcap": options.pcap}
    others |= {"--branches": options.branches, "--picture": options.picture}
    for flag, is_given in others.items():
        if is_given:
            raise UsageError(f"--report and {flag} exclude each other: --report is one text about one port")
    if len(ports) > 1:
        raise UsageError(f"--report is about one port, and the target names {len(ports)}: give one of them")


def _many(options: argparse.Namespace, targets: list[str]) -> ManyTargets:
    """What ``-f`` and ``--all-addresses`` ask for; what they cannot go with is refused."""
    flag = "-f" if options.targets is not None else "--all-addresses"
    if options.targets is not None and targets:
        raise UsageError(f"-f {options.targets} names the targets: leave {targets[0]!r} out, or -f")
    for other, value, reason in (
        ("--compare", options.compare, "--compare is for two ports of one target"),
        ("--mtu", options.mtu, "--mtu tests one connection at a time"),
        ("--idle", options.idle, "--idle tests one connection at a time"),
        ("--say", options.say, "--say tests one connection at a time"),
        ("--versus", options.versus, "--versus goes with --say"),
        ("--report", options.report, "--report is one text about one port"),
        ("--branches", options.branches, "--branches follows the path to one port"),
        ("--picture", options.picture, "--picture draws the path to one target"),
        ("--watch", options.watch, "--watch follows the path to one port"),
        ("--mark", options.mark, "routes are looked up when root's rights are gone"),
        ("-g", options.gateway, "a gateway is for one target's link"),
    ):
        if value:
            raise UsageError(f"{flag} and {other} exclude each other: {reason}")
    if options.resume is not None and not options.json:
        raise UsageError("--resume needs --json: it reads the records that --json writes")
    is_listed = options.targets is not None
    config = _config(options, ANY_TARGET if is_listed else _only_target(targets))
    return ManyTargets(
        config,
        _display(options, None, 0),
        options.targets,
        config.ports if is_listed and (options.port_range or options.scan) else None,
        DEFAULT_RATE if options.rate is None else options.rate,
        options.resume,
        options.all_addresses,
    )


def _refuse_to_draw(options: argparse.Namespace, config: TraceConfig) -> None:
    """Refuse ``--branches`` and ``--picture`` where there is no path of one port."""
    if options.branches:
        _refuse_beside_branches(options, config)
    if options.picture is not None:
        _refuse_beside_picture(options, config)


def _refuse_beside_branches(options: argparse.Namespace, config: TraceConfig) -> None:
    """What ``--branches`` cannot go with: it follows the path to one port."""
    if options.scan:
        raise UsageError(
            "--branches and -s exclude each other: --branches needs the path to one port, -s has none"
        )
    if len(config.ports) > 1:
        raise UsageError("--branches follows one port: give one port, and neither -r nor --compare")
    if config.is_scan:
        raise UsageError(
            f"--branches and -h {config.start_hop} -m 1 exclude each other: there is no path beyond hop 30"
        )


def _refuse_beside_picture(options: argparse.Namespace, config: TraceConfig) -> None:
    """What ``--picture`` cannot draw, and files that it cannot write."""
    if not options.picture.lower().endswith(PICTURE_ENDINGS):
        raise UsageError(f"--picture: {options.picture!r} has no known ending: use .svg, .dot or .mmd")
    if options.scan:
        raise UsageError("--picture and -s exclude each other: a scan has no path to draw")
    if config.is_scan:
        raise UsageError(
            f"--picture and -h {config.start_hop} -m 1 exclude each other: there is no path beyond hop 30"
        )
    if len(config.ports) > 1 and not options.compare:
        raise UsageError("--picture draws the path of one port, or of two with --compare: give one port")


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
    defaults = SCAN_DEFAULTS if options.scan else TRACE_DEFAULTS
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
        source_port=options.source_port,
        tos=options.tos or 0,
        mark=options.mark,
    )


def _family(options: argparse.Namespace) -> int | None:
    if options.ipv4 and options.ipv6:
        raise UsageError("-4 and -6 exclude each other: give one of them, or neither")
    return 4 if options.ipv4 else 6 if options.ipv6 else None


def _display(options: argparse.Namespace, say: Say | None, percent: int) -> Display:
    if options.json and options.condensed:
        raise UsageError("--json and -c exclude each other: give one of them")
    is_scan = options.scan is not None
    return Display(
        condensed=options.condensed or is_scan,
        numeric=options.numeric or is_scan,
        precision=(REPORT_PRECISION if options.report else 0)
        if options.precision is None
        else options.precision,
        explain=options.explain or options.compare is not None,
        compare=options.compare is not None,
        json=options.json,
        asn=options.asn,
        pcap=options.pcap,
        mtu=options.mtu,
        branches=percent,
        picture=options.picture,
        say=say,
        report=options.report,
        idle=options.idle or (),
        metrics=options.metrics,
    )
