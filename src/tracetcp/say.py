"""The test of words that follows a trace (``--say``): opens it, runs it, and adds its verdicts.

It comes last of the tests: what the asked word brings about may last.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracetcp.afterwards import ConnectionTest, is_open
from tracetcp.errors import UsageError
from tracetcp.limits import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.afterwards import Tell
    from tracetcp.config import Say, TraceConfig
    from tracetcp.engine.trace.routers import Routers
    from tracetcp.model import VerdictReached
    from tracetcp.model.connection import Words
    from tracetcp.model.evidence import Evidence
    from tracetcp.model.speech import Certificate, Script, WordsFound
    from tracetcp.probers.session.contract import SessionProber
    from tracetcp.probers.session.ears import Ears
    from tracetcp.runner import Wait
    from tracetcp.wire.certificates import Hello


class Saying(NamedTuple):
    """What is said: ``script``, and the ``words`` of its protocol for a test of sizes."""

    script: Script
    words: Words


def prepare(say: Say, host: str, *, without_privileges: bool = False) -> Saying:
    """What ``say`` means for ``host``; raises ``UsageError`` for a file that cannot be said.

    ``without_privileges`` reads the file where no privilege is left: as the user who called sudo.
    """
    from tracetcp.model.speech import Protocol
    from tracetcp.wire.words import script_for, words_like

    protocol = Protocol(say.protocol)
    if protocol is Protocol.FILE:
        content = _content(say.name, without_privileges=without_privileges)
        script = script_for(protocol, Path(say.name).name, "", content)
        return Saying(script, words_like(protocol, host, content))
    name = _ascii(host)
    return Saying(script_for(protocol, say.name or name, say.versus), words_like(protocol, name))


def _ascii(host: str) -> str:
    """``host`` as it stands in DNS (RFC 5891), or as it is where it has no such form."""
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _content(path: str, *, without_privileges: bool) -> bytes:
    if not without_privileges:
        return bytes.fromhex(_read(path))
    from tracetcp.privileges import unprivileged

    return bytes.fromhex(unprivileged(lambda: _read(path)))


def _read(path: str) -> str:
    """The file in hexadecimal digits."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(WORDS.stop)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"--say cannot read {path!r} ({why}): name a file that you may read") from error
    if len(content) not in WORDS:
        size = "is empty" if not content else f"is longer than {WORDS[-1]} bytes"
        raise UsageError(f"file {path!r} of --say {size}: use 1 to {WORDS[-1]} bytes, which fit a segment")
    return content.hex()


class WordTest(ConnectionTest):
    """One test of ``saying`` for ``config``, of the connection to its port; paced with ``routers``.

    ``destination`` is the address on the wire; ``ears`` are raw sockets, where there are any.
    """

    def __init__(
        self,
        config: TraceConfig,
        destination: str,
        routers: Routers,
        saying: Saying,
        ears: Ears | None = None,
    ) -> None:
        self._config = config
        self._ears = ears
        self._destination = destination
        self._routers = routers
        self._script = saying.script
        self._found: WordsFound | None = None
        self._certificate: Certificate | None = None
        self._has_run = False

    def run(self, evidence: Evidence, tell: Tell | None) -> None:  # noqa: ARG002 - it takes a second
        """See ``ConnectionTest``."""
        if is_open(evidence):
            with closing(_open_prober(self._config, self._destination, self._ears)) as prober:
                self._search(evidence, prober)
        self._has_run = True

    def add_to(self, held: VerdictReached) -> VerdictReached:
        """See ``ConnectionTest``; of half a search nothing is concluded."""
        from tracetcp.verdicts.words import judge_words

        if not self._has_run:
            return held
        main = held.verdicts[0].kind
        verdicts = judge_words(held.evidence, self._script, self._found, main, self._certificate)
        return held._replace(words=verdicts)

    def _search(self, evidence: Evidence, prober: SessionProber, wait: Wait | None = None) -> None:
        from tracetcp.dialogue import converse
        from tracetcp.engine.session.waves import WaveEngine
        from tracetcp.engine.session.word_search import WordSearch
        from tracetcp.model.verdict import Kind
        from tracetcp.verdicts import judge_main
        from tracetcp.wire.words import words_for

        hellos = _Hellos(self._script)
        search = WordSearch(
            self._script,
            tuple(evidence.routers),
            evidence.distance or 0,
            is_near=judge_main(evidence).kind is Kind.PROXY,
            hellos=hellos.open,
        )
        words = words_for(evidence.port, self._config.host)
        engine = WaveEngine(search.plan(), words, self._routers, self._config.timeout)
        converse(engine, prober, wait)
        self._found = engine.found
        self._certificate = hellos.certificate(engine.found.identified)


class _Hellos:
    """Hellos whose answers tell who gave them: one to read the certificate, one to see if it is trusted."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._hellos: list[Hello] = []

    def open(self) -> Sequence[bytes]:
        """Those to say; none in another protocol."""
        from tracetcp.model.speech import Protocol

        if self._script.protocol is not Protocol.TLS:
            return ()
        from tracetcp.wire.certificates import Hello

        self._hellos = [Hello(self._script.asked_name, is_strict=strict) for strict in (False, True)]
        return [hello.data for hello in self._hellos]

    def certificate(self, heard: Sequence[bytes]) -> Certificate | None:
        """What the answers tell; None where nothing was said, or the first cannot be read."""
        from tracetcp.model.speech import Certificate

        if not heard:
            return None
        plain, strict = self._hellos
        issuer = plain.issuer(heard[0])
        return None if issuer is None else Certificate(issuer, strict.is_trusted(heard[1]))


def open_ears(config: TraceConfig, destination: str) -> Ears | None:
    """Raw sockets for the test, to be opened while there is a right to them; None where there is none."""
    from tracetcp.probers.session.ears import Ears

    try:
        return Ears(config, destination)
    except OSError:
        return None


def _open_prober(config: TraceConfig, destination: str, ears: Ears | None) -> SessionProber:
    from tracetcp.probers.session.kernel import KernelSessions

    return KernelSessions(config, destination, config.ports[0], ears)
