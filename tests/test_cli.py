"""The command line: every flag, every default, every refusal."""

from __future__ import annotations

import pytest

from tracetcp import __version__
from tracetcp.cli.flags import build_parser, split_percent
from tracetcp.cli.parsing import Invocation, ManyTargets, Message, parse
from tracetcp.config import Say, TraceConfig
from tracetcp.errors import MissingHost, UsageError
from tracetcp.formatters.display import Display


def understood(line: str) -> Invocation:
    invocation = parse(line.split())
    assert isinstance(invocation, Invocation)
    return invocation


def test_the_defaults_are_those_of_the_original() -> None:
    assert understood("host") == Invocation(TraceConfig(host="host"), Display())
    config = TraceConfig(host="host")
    assert (config.ports, config.start_hop, config.max_hops, config.pings, config.timeout) == (
        (80,),
        1,
        30,
        3,
        4.0,
    )


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("-h 7", "start_hop", 7),
        ("-h7", "start_hop", 7),
        ("--start-hop 255", "start_hop", 255),
        ("--start-hop=2", "start_hop", 2),
        ("-m 1", "max_hops", 1),
        ("--max-hops 255", "max_hops", 255),
        ("-p 100", "pings", 100),
        ("--pings 1", "pings", 1),
        ("-t 500", "timeout", 0.5),
        ("--timeout 99999", "timeout", 99.999),
        ("-F", "anti_flood", False),
        ("--no-anti-flood", "anti_flood", False),
        ("-4", "family", 4),
        ("-6", "family", 6),
        ("-i eth0", "interface", "eth0"),
        ("--interface 192.0.2.9", "interface", "192.0.2.9"),
        ("-g 192.0.2.254", "gateway", "192.0.2.254"),
        ("--gateway fe80::1", "gateway", "fe80::1"),
        ("--source-port 1024", "source_port", 1024),
        ("--source-port=64512", "source_port", 64512),
        ("--tos 184", "tos", 184),
        ("--mark 4294967295", "mark", 4294967295),
        ("--mark 0x1F", "mark", 31),
        ("-R", "raw_only", True),
        ("--raw", "raw_only", True),
        ("-r 0 65535", "ports", range(65536)),
        ("--port-range 5 5", "ports", range(5, 6)),
    ],
)
def test_a_flag_sets_its_value_before_or_after_the_host(line: str, name: str, value: object) -> None:
    assert getattr(understood(f"{line} host").config, name) == value
    assert getattr(understood(f"host {line}").config, name) == value


@pytest.mark.parametrize(
    ("line", "display"),
    [
        ("-c", Display(condensed=True)),
        ("--condensed", Display(condensed=True)),
        ("-n", Display(numeric=True)),
        ("--numeric", Display(numeric=True)),
        ("--precision 3", Display(precision=3)),
        ("-e", Display(explain=True)),
        ("--explain", Display(explain=True)),
        ("--json", Display(json=True)),
        ("-A", Display(asn=True)),
        ("--asn", Display(asn=True)),
        ("--mtu", Display(mtu=True)),
        ("--branches", Display(branches=95)),
        ("--branches=99", Display(branches=99)),
        ("--picture path.svg", Display(picture="path.svg")),
        ("--picture=A.DOT", Display(picture="A.DOT")),
        ("--say tls", Display(say=Say("tls"))),
        ("--say tls:a-1.example", Display(say=Say("tls", "a-1.example"))),
        ("--say http:xn--d1a.example.", Display(say=Say("http", "xn--d1a.example."))),
        ("--say http --versus b.example", Display(say=Say("http", "", "b.example"))),
        ("--say tls:Example.COM", Display(say=Say("tls", "Example.COM", "example.org"))),
        ("--say @words.bin --mtu", Display(mtu=True, say=Say("file", "words.bin"))),
        ("--idle 350,60,350", Display(idle=(60, 350))),
    ],
)
def test_a_flag_sets_how_it_is_shown(line: str, display: Display) -> None:
    assert understood(f"{line} host").display == display


def test_letters_bundle_and_the_last_may_take_numbers() -> None:
    invocation = understood("-cnr 130 140 host -h 3 -m 1 -p 1 -t 500")
    assert invocation.display == Display(condensed=True, numeric=True)
    assert invocation.config == TraceConfig(
        host="host", ports=range(130, 141), start_hop=3, max_hops=1, pings=1, timeout=0.5
    )


def test_the_easy_scan_is_a_preset_that_any_flag_beside_it_overrules() -> None:
    preset = understood("-s 1 100 host")
    assert preset.display == Display(condensed=True, numeric=True)
    assert preset.config == TraceConfig(host="host", ports=range(1, 101), start_hop=128, max_hops=1, pings=1)
    other = understood("-p 3 -s 1 100 host -h 200 -t 100").config
    assert (other.pings, other.start_hop, other.max_hops, other.timeout) == (3, 200, 1, 0.1)


def test_the_host_is_no_percentage_and_what_follows_two_dashes_no_flag() -> None:
    assert understood("--branches host:443").config.ports == (443,)
    assert understood("--branches=90 -- host").display == Display(branches=90)
    assert split_percent(["--", "--branches=90"]) == (["--", "--branches=90"], 95)


def test_comparing_two_ports_traces_and_explains_them() -> None:
    invocation = understood("--compare 443 80 host:22")
    assert invocation.config.ports == (443, 80)
    assert invocation.display == Display(explain=True, compare=True)


@pytest.mark.parametrize("line", ["-r 20 21 host:443", "-s 20 21 host:443"])
def test_a_range_wins_over_a_port_in_the_target(line: str) -> None:
    assert understood(line).config.ports == range(20, 22)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("-h", "start hop"),
        ("-h host", "help is -? or --help"),
        ("-h 0 host", "use 1 to 255"),
        ("-h 256 host", "use 1 to 255"),
        ("-m 0 host", "'0'"),
        ("-m x host", "use 1 to 255"),
        ("-p 101 host", "use 1 to 100"),
        ("-p 1e3 host", "'1e3'"),
        ("-p +5 host", "'+5'"),
        ("-p ٣ host", "'٣'"),
        ("-t 0 host", "use 1 to 99999"),
        ("-t 100000 host", "use 1 to 99999"),
        ("-t 9999999999 host", "use 1 to 99999"),
        ("--precision 4 host", "use 0 to 3"),
        ("--source-port 1023 host", "source port '1023' is out of range: use 1024 to 64512"),
        ("--source-port 64513 host", "use 1024 to 64512"),
        ("--source-port any host", "source port 'any' is not a number"),
        ("-r 1 host", "'host'"),
        ("-r 1", "-r/--port-range"),
        ("-r 140 130 host", "140 to 130 runs backwards"),
        ("-r 0 65536 host", "use 0 to 65535"),
        ("-s 9 8 host", "9 to 8 runs backwards"),
        ("-r 1 2 -s 1 2 host", "-r, -s and --compare"),
        ("-r 1 2 --compare 1 2 host", "-r, -s and --compare"),
        ("--compare 1 host", "'host'"),
        ("--compare 80 80 host", "port 80 twice: give two different ports"),
        ("-g nowhere host", "gateway 'nowhere' is no address"),
        ("-g 10.0.0.300 host", "gateway '10.0.0.300' is no address"),
        ("--json -c host", "--json and -c"),
        ("-4 -6 host", "-4 and -6"),
        ("-i", "-i/--interface"),
        ("-g", "-g/--gateway"),
        ("--tos 256 host", "--tos: TOS byte '256' is out of range: use 0 to 255"),
        ("--tos EF host", "--tos: TOS byte 'EF' is not a number: use 0 to 255"),
        ("--mark 0 host", "--mark: mark '0' is out of range: use 1 to 4294967295, or 0x1 to 0xffffffff"),
        ("--mark 4294967296 host", "--mark: mark '4294967296' is out of range"),
        ("--mark 0x1ffffffff host", "--mark: mark '0x1ffffffff' is out of range"),
        ("--mark red host", "--mark: mark 'red' is not a number"),
        ("--mark 1 -g 10.0.0.1 host", "--mark and -g exclude each other"),
        ("--mark 1 --mtu host", "--mark and --mtu exclude each other"),
        ("--mark 1 --idle 60 host", "--mark and --idle exclude each other"),
        ("--mark 1 --say tls host", "--mark and --say exclude each other"),
        ("--branches --report host", "--report and --branches exclude each other"),
        ("--picture a.svg --report host", "--report and --picture exclude each other"),
        ("--branches=89 host", "--branches: percentage '89' is out of range: use 90 to 99"),
        ("--branches=all host", "--branches: percentage 'all' is not a number: use 90 to 99"),
        ("--branches= host", "--branches: percentage '' is not a number"),
        ("--branches -s 1 2 host", "--branches and -s exclude each other"),
        (
            "--branches -r 1 2 host",
            "--branches follows one port: give one port, and neither -r nor --compare",
        ),
        ("--branches --compare 1 2 host", "--branches follows one port"),
        ("--branches host:80,443", "--branches follows one port"),
        ("--branches -h 128 -m 1 host", "--branches and -h 128 -m 1 exclude each other"),
        ("--picture path host", "--picture: 'path' has no known ending: use .svg, .dot or .mmd"),
        ("--picture path.png host", "--picture: 'path.png' has no known ending"),
        ("--picture a.svg -s 1 2 host", "--picture and -s exclude each other"),
        ("--picture a.svg -h 99 -m 1 host", "--picture and -h 99 -m 1 exclude each other"),
        ("--picture a.svg host:80,443", "--picture draws the path of one port, or of two with --compare"),
        ("--picture", "--picture: expected one argument"),
        ("--say tls -s 1 2 host", "--say and -s exclude each other"),
        ("--say tls host:80,443", "--say tests the connection to one port: give one port"),
        ("--say tls --compare 1 2 host", "--say tests the connection to one port: give one port"),
        ("--say tls -g 10.0.0.1 host", "--say and -g exclude each other"),
        ("--say tls host:9107", "--say does not speak to port 9107"),
        ("--versus b.example host", "--versus goes with --say: give both"),
        ("--say @ host", "--say '@' names no file: write @FILE"),
        ("--say @file --versus b.example host", "--versus and --say @FILE exclude each other"),
        ("--say smtp host", "--say 'smtp' is nothing that can be said: use tls, tls:NAME, http"),
        ("--say tls: host", "--say '' is no host name: use letters"),
        ("--say tls:-a.example host", "--say '-a.example' is no host name"),
        ("--say tls:a..example host", "--say 'a..example' is no host name"),
        ("--say tls:192.0.2.1 host", "--say '192.0.2.1' is no host name"),
        ("--say http:\u00fc.example host", "--say '\u00fc.example' is no host name"),
        (f"--say http:{'a.' * 130}example host", "...' is no host name: use letters"),
        ("--say tls --versus b_! host", "--versus 'b_!' is no host name"),
        ("--say tls:b.example --versus B.example. host", "--say and --versus both name B.example."),
        ("--idle 0 host", "--idle: silence '0' is out of range: use 1 to 86400"),
        ("--idle 60,86401 host", "--idle: silence '86401' is out of range: use 1 to 86400"),
        ("--idle long host", "--idle: silence 'long' is not a number: use 1 to 86400"),
        ("--idle 60, host", "--idle: silence '' is not a number: use 1 to 86400"),
        ("--idle 1.5 host", "--idle: silence '1.5' is not a number: use 1 to 86400"),
        ("--idle 1,2,3,4,5 host", "--idle: 5 silences are too many: give 4 at most"),
        ("--idle 60 -s 1 2 host", "--idle and -s exclude each other"),
        ("--idle 60 -r 1 2 host", "--idle tests the connection to one port: give one port"),
        ("--idle 60 --compare 1 2 host", "--idle tests the connection to one port: give one port"),
        ("--idle 60 host:80,443", "--idle tests the connection to one port: give one port"),
        ("--idle 60 -g 10.0.0.1 host", "--idle and -g exclude each other"),
        ("--idle 60 host:9100", "--idle does not speak to port 9100"),
        ("--mtu -s 1 2 host", "--mtu and -s exclude each other"),
        ("--mtu -r 1 2 host", "--mtu tests the connection to one port: give one port"),
        ("--mtu --compare 1 2 host", "--mtu tests the connection to one port: give one port"),
        ("--mtu host:80,443", "--mtu tests the connection to one port: give one port"),
        ("--mtu -g 10.0.0.1 host", "--mtu and -g exclude each other"),
        ("--mtu host:9100", "--mtu does not speak to port 9100"),
        ("--portrange 1 2 host", "did you mean --port-range?"),
        ("--cond host", "unknown flag --cond"),
        ("--port=1 host", "unknown flag --port:"),
        ("-x host", "unknown flag -x"),
        ("-cx host", "unknown flag -x"),
        ("host --mtu=9", "--mtu takes no value: leave '=9' out"),
        ("--condensed=1 host", "--condensed takes no value: leave '=1' out"),
        (
            "-t -1 host",
            "-t/--timeout: expected one argument: use '-t MS': longest wait for each reply, in milli",
        ),
        ("-r 5", "-r/--port-range: expected 2 arguments: use '-r P1 P2': one trace per port"),
        ("host other", "unexpected argument 'other'"),
        ("-n host -c other", "unexpected argument 'other'"),
        ("host:port", "'port'"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(line: str, named: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(line.split())
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("preset", "line", "same_as"),
    [
        ("", "-n host", "-n host"),
        ("  ", "-n host", "-n host"),
        ("-n -p 5", "host:443", "-n -p 5 host:443"),
        ("-p 5", "-p 2 host", "-p 2 host"),
        ("--pcap 'my file'", "host", None),
    ],
)
def test_options_from_outside_go_before_the_command_line(preset: str, line: str, same_as: str | None) -> None:
    invocation = parse(line.split(), preset)
    if same_as is not None:
        assert invocation == understood(same_as)
    else:
        assert isinstance(invocation, Invocation)
        assert invocation.display.pcap == "my file"


@pytest.mark.parametrize(
    ("preset", "line", "named"),
    [
        (
            "-c",
            "--json host",
            "--json and -c exclude each other: give one of them (TRACETCP_OPTIONS is '-c')",
        ),
        ("-p 0", "host", "(TRACETCP_OPTIONS is '-p 0')"),
        ("--zzz", "host", "unknown flag --zzz: see tracetcp --help (TRACETCP_OPTIONS is '--zzz')"),
        ("-n 'host", "host", "a quote is not closed: quote as for a shell, or unset TRACETCP_OPTIONS"),
        ("other", "host", "unexpected argument 'host'"),
    ],
)
def test_what_is_wrong_with_them_is_named_with_them(preset: str, line: str, named: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(line.split(), preset)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_options_from_outside_name_no_host() -> None:
    with pytest.raises(MissingHost, match="no host given"):
        parse([], "-n")


@pytest.mark.parametrize("line", ["", "-n", "-c -p 3"])
def test_a_missing_host_is_a_usage_error_of_its_own(line: str) -> None:
    with pytest.raises(MissingHost, match="no host given"):
        parse(line.split())


@pytest.mark.parametrize("line", ["-?", "--help", "-n --help", "-? -p nonsense"])
def test_help_is_a_message_that_names_every_flag(line: str) -> None:
    message = parse(line.split())
    assert isinstance(message, Message)
    flags = [flag for action in build_parser()._actions for flag in action.option_strings]
    assert len(flags) > 20
    assert all(flag in message.text for flag in flags)
    assert message.text.isascii()
    assert max(map(len, message.text.splitlines())) <= 100


@pytest.mark.parametrize("line", ["-v", "--version"])
def test_the_version_is_a_message(line: str) -> None:
    assert parse(line.split()) == Message(f"tracetcp {__version__}\n")


def many(line: str) -> ManyTargets:
    asked = parse(line.split())
    assert isinstance(asked, ManyTargets)
    return asked


def test_a_list_of_targets_takes_the_flags_of_every_trace() -> None:
    asked = many("-f list -p 1 -t 500 -6 --json --resume out --rate 7 -e")
    assert (asked.path, asked.rate, asked.resume, asked.all_addresses) == ("list", 7, "out", False)
    assert (asked.config.pings, asked.config.timeout, asked.config.family) == (1, 0.5, 6)
    assert asked.ports is None
    assert asked.display == Display(json=True, explain=True)
    assert many("--targets - -c").path == "-"
    assert many("-f list").rate == 100
    assert many("-f list -r 5 6").ports == range(5, 7)
    scan = many("-f list -s 1 9")
    assert (scan.ports, scan.config.is_scan, scan.display.condensed) == (range(1, 10), True, True)


def test_all_addresses_of_one_host_need_no_list() -> None:
    asked = many("--all-addresses host:443")
    assert (asked.path, asked.all_addresses, asked.config.host, asked.config.ports) == (
        None,
        True,
        "host",
        (443,),
    )
    assert asked.ports is None
    assert many("--all-addresses -f list").path == "list"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("-f list host", "-f list names the targets: leave 'host' out, or -f"),
        ("-f list --compare 1 2", "-f and --compare exclude each other"),
        ("-f list --mtu", "-f and --mtu exclude each other"),
        ("-f list -g 192.0.2.1", "-f and -g exclude each other"),
        ("--all-addresses --mtu host", "--all-addresses and --mtu exclude each other"),
        ("-f list --resume out", "--resume needs --json"),
        ("--all-addresses --count 5 host", "--count needs --watch: give both, or neither"),
        ("-f list --metrics out", "--metrics needs --watch: give both, or neither"),
        ("--rate 5 host", "--rate is for many targets: give it with -f or --all-addresses"),
        ("--resume out host", "--resume is for many targets"),
        ("-f list --rate 0", "rate '0' is out of range: use 1 to 100000"),
        ("-f list --json -c", "--json and -c exclude each other"),
        ("-f list -4 -6", "-4 and -6 exclude each other"),
        ("-f", "expected one argument"),
    ],
)
def test_what_many_targets_cannot_go_with_is_refused_in_one_line(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(line.split())
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_all_addresses_without_a_host_is_no_target() -> None:
    with pytest.raises(MissingHost):
        parse(["--all-addresses"])


def test_a_word_of_argparse_typed_as_a_value_is_a_value() -> None:
    with pytest.raises(UsageError) as refused:
        parse(["-t", "expected one argument", "host"])
    sentence = "-t/--timeout: timeout 'expected one argument' is not a number: use 1 to 99999"
    assert str(refused.value) == sentence
