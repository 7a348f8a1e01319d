"""Words: who stops, resets or answers what is said over a connection, and behind which hop. Pure.

The search has asked controls first and looked for chance itself (``engine.session.word_search``). Here it is
said what its findings mean; each condition counts only if those before it do not hold:

R1. Neutral bytes and the control are both stopped: the path lets SYNs pass and nothing else.
R2. The control is stopped, neutral bytes are not: it is the protocol. If the host takes the asked word, it is
    the control's name.
R3. Somebody answers words that could not reach the host. His place is behind the last hop from which nothing
    but a router answers. If a router behind him also reports the same words, he listens only; if his RST's
    TTL moves with that of the words, he is nearer than he looks.
    Nearer is ``NEARER_HOPS`` at least, or what a router bears witness to: each connection has a source port
    of its own, and branches of load sharing differ by a hop or two. Within that, an answer like the control's
    is the host's, and another one, or a RST, is likely somebody's before it where no load is shared.
R4. The host, or who is as far away, takes the word. Then it passes, unless the answer refuses where the
    control's does not: a TLS alert, a HTTP status, a closed connection. The last two are likely the host's:
    a block page just before it looks the same.
R5. Words are reset, and only those that can reach the host: it is the host, or somebody between it and the
    last hop; only raw sockets can tell, by the TTL of the RST: that of the SYN-ACK, or one or two more for
    somebody so much nearer. A TTL of another system tells nothing; without raw sockets the host is likely.
R6. The word is lost beyond a hop where the control is answered: it is dropped.
R7. Certain needs one router at the place, and the control taken before and after. Where the control is
    stopped as well after the asked word, the path remembers (residual blocking).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tracetcp.model import Outcome
from tracetcp.model.answers import REFUSALS, alert_of, status_of, words_of
from tracetcp.model.icmp_words import icmp_words
from tracetcp.model.sizes import Place
from tracetcp.model.speech import Protocol
from tracetcp.model.verdict import Certainty, Kind, Verdict
from tracetcp.verdicts.nearness import NEARER_HOPS
from tracetcp.verdicts.places import between, place_of
from tracetcp.verdicts.stating import stated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetcp.model.evidence import Evidence
    from tracetcp.model.speech import Certificate, Script, Sign, Signs, WordsFound

ENOUGH_LOST = 6
"""Times that a word must be lost, as in the search."""
JUST_BEFORE = 2
"""Hops by which somebody behind the last hop may be nearer than the host: its own, and one for a way back
that is not the way there."""
COPIES = (
    "The TTL of the RST moves with that of the words: who sends it copies what he saw, and is half as far "
    "away as his first RST makes him look."
)


def judge_words(
    evidence: Evidence,
    script: Script,
    found: WordsFound | None,
    main: Kind,
    certificate: Certificate | None = None,
) -> tuple[Verdict, ...]:
    """The verdicts on words, the main ones first; ``found`` is None where nothing could be said.

    ``main`` is the kind of the main verdict on the trace; ``certificate`` is that of who answered from nearer
    than the host.
    """
    if found is None or not found.is_connected:
        return (_unsaid(evidence),)
    return tuple(_Judge(evidence, script, found, main, certificate).verdicts())


def _unsaid(evidence: Evidence) -> Verdict:
    if evidence.outcome is Outcome.OPEN:
        why = f"port {evidence.port} takes connections, but ends them before anything is said"
    else:
        why = f"port {evidence.port} takes no connection"
    return stated(Kind.WORD_UNKNOWN, f"Nothing can be said about words: {why}.")


class _Judge:
    """The judge of one search."""

    def __init__(
        self,
        evidence: Evidence,
        script: Script,
        found: WordsFound,
        main: Kind,
        certificate: Certificate | None,
    ) -> None:
        self._evidence = evidence
        self._script = script
        self._found = found
        self._is_near = main is Kind.PROXY
        self._certificate = certificate
        self._host = evidence.destination
        self._one = _subject(script, script.asked_name)
        self._other = _subject(script, script.control_name)

    def verdicts(self) -> Iterator[Verdict]:
        found = self._found
        if not (found.neutral.is_taken or found.control.is_taken or found.asked.signs):
            yield self._any_word()  # R1
            return
        if self._script.control and not found.control.is_taken:
            yield from self._control_stopped()  # R2
            return
        if self._script.segments and found.segments.signs and not found.segments.is_taken:
            yield self._long_hello()
        yield self._asked()
        if found.again is not None and not self._is_as_before(found.again):
            yield self._residual(found.again)  # R7

    def _is_as_before(self, again: Sign) -> bool:
        """Whether the control fared after the asked word as before it."""
        before = (self._found.control if self._script.control else self._found.neutral).last
        is_reset_as_well = before is not None and before.is_reset and again.is_reset
        return again.is_taken or is_reset_as_well

    # The controls --------------------------------------------------------------------------------------

    def _any_word(self) -> Verdict:
        signs, port, bytes_ = self._found.neutral, self._evidence.port, f"{self._script.length} neutral bytes"
        if not _is_clear(signs):
            return self._unclear()
        if signs.last is not None and signs.last.is_reset and not signs.nearer:
            return stated(
                Kind.REFUSED_BY_HOST,
                f"{self._host} resets the connection whatever is said to port {port}, {bytes_} too.",
                "Words that end before the host are not reset.",
                certainty=Certainty.LIKELY,  # R5
            )
        what = "is answered with a RST" if signs.nearer else "is dropped"
        where = between(self._evidence, self._place(signs))
        return self._at(
            signs,
            Kind.ANY_WORD,
            f"Port {port} is open for SYNs only: {where} any data {what}, {bytes_} too.",
            self._counts(signs, "Neutral bytes"),
        )

    def _control_stopped(self) -> Iterator[Verdict]:
        signs, asked = self._found.control, self._found.asked
        if asked.is_taken:
            yield self._passes(asked)
        if not _is_clear(signs):
            yield self._unclear()
            return
        whose = self._other if asked.is_taken else _kind_of_word(self._script)
        every = "" if asked.is_taken else ", whatever name it asks for"
        yield self._stopped(signs, whose, every, self._neutral_passes())

    def _long_hello(self) -> Verdict:
        """Of two segments."""
        signs = self._found.segments
        sizes = [len(segment) for segment in self._script.segments]
        what = f"A hello of two segments ({sum(sizes)} bytes)"
        if not _is_clear(signs):
            return self._unclear()
        return self._stopped(signs, what, f"; one of {self._script.length} bytes passes", "")

    def _residual(self, again: Sign) -> Verdict:
        what = "reset" if again.is_reset else "dropped"
        if not again.was_said:
            what = "refused a connection"
        name = "the control name" if self._script.control_name else "neutral bytes"
        verb = "are" if name == "neutral bytes" else "is"
        return stated(
            Kind.RESIDUAL,
            f"After the test {name} {verb} {what} too: the path blocks for a while. Wait some minutes.",
            certainty=Certainty.LIKELY,
        )

    # The asked word ------------------------------------------------------------------------------------

    def _asked(self) -> Verdict:
        signs = self._found.asked
        has_data = any(not sign.is_reset for sign in signs.nearer)
        if (has_data and self._is_somebodys(signs)) or (self._is_near and signs.is_taken):
            return self._answered(signs)  # R3
        if signs.nearer and not has_data:
            return self._stopped(signs, self._one, "", self._comparison(signs))  # R3
        if signs.is_taken and not self._found.copies:
            return self._refused(signs) or self._passes(signs)  # R4
        if not (self._found.copies or _is_clear(signs)):
            return self._unclear()
        return self._stopped(signs, self._one, "", self._comparison(signs))  # R5, R6

    def _stopped(self, signs: Signs, what: str, end: str, fact: str) -> Verdict:
        """Reset or dropped: of any word."""
        last = signs.last
        is_refused = last is not None and last.is_expired and not last.is_answered
        if is_refused and last is not None and not signs.nearer:
            return self._refused_on_the_way(what, end, last, fact)
        has_reset = last is not None and last.is_reset
        if signs.nearer or has_reset or (self._found.copies and signs is self._found.asked):
            return self._reset(signs, what, end, fact)
        return self._at(
            signs,
            Kind.WORD_DROPPED,
            f"{what} is dropped {between(self._evidence, self._place(signs))}{end}.",
            self._counts(signs, ""),
            fact,
        )

    def _refused_on_the_way(self, what: str, end: str, last: Sign, fact: str) -> Verdict:
        """With an ICMP error, of which only raw sockets see more."""
        if last.refusal is None:
            sentence = (
                f"{what} is refused on the way with an ICMP error{end}; by whom cannot be seen from here."
            )
            return stated(Kind.WORD_DROPPED, sentence, fact)
        icmp_type, icmp_code, sender = last.refusal
        routers = self._evidence.routers.items()
        hop = next((ttl for ttl, senders in routers if sender in senders), None)
        who = _capital(self._evidence.place(hop, sender)) if hop is not None else sender
        sentence = f"{who} refuses {_small(what)}{end}: {icmp_words(icmp_type, icmp_code)}."
        return stated(Kind.WORD_DROPPED, sentence, fact, hop=hop, address=sender)

    def _reset(self, signs: Signs, what: str, end: str, fact: str) -> Verdict:
        last, is_asked = signs.last, signs is self._found.asked
        copies = bool(self._found.copies) and is_asked
        is_clear = self._is_clearly_nearer(signs) or _is_nearer(last)
        is_nearer = bool(signs.nearer) and not self._shares_load()
        if not (is_clear or is_nearer or copies):
            return self._reset_by_host(what, end, last, fact)  # R3, R5
        place = self._place(signs, copies=copies)
        where = between(self._evidence, place)
        witness = _witness_behind(signs)
        who = "somebody who listens only" if witness or copies else "somebody"
        facts = [f"Words that could reach hop {signs.before} at most were reset."] if signs.nearer else []
        if copies:
            facts = [COPIES]
        if witness is not None:
            facts.append(self._report(witness))
        if last is not None and last.end_ttl and last.host_ttl:
            facts.append(
                f"The RST came with TTL {last.end_ttl}, the host's SYN-ACK with TTL {last.host_ttl}."
            )
        return self._at(
            signs,
            Kind.WORD_RESET,
            f"{_capital(where)} {who} answers {_small(what)} with a RST in the name of {self._host}{end}.",
            *facts,
            fact,
            place=place,
            certainty=Certainty.CERTAIN if is_clear and not copies else Certainty.LIKELY,
        )

    def _is_clearly_nearer(self, signs: Signs) -> bool:
        """R3."""
        at = signs.answered_at
        is_far_from_host = at is not None and self._found.distance - at >= NEARER_HOPS
        return is_far_from_host or _witness(signs) is not None

    def _is_somebodys(self, signs: Signs) -> bool:
        """Whether data that came from nearer is not the host's: R3."""
        if self._is_clearly_nearer(signs):
            return True
        control = self._found.control.last
        usual = words_of(control.heard) if control is not None else ""
        is_other = any(sign.heard and words_of(sign.heard) != usual for sign in signs.nearer)
        return is_other and not self._shares_load()

    def _shares_load(self, last: float = inf) -> bool:
        """Whether several routers answered at a hop, up to ``last``."""
        return any(len(senders) > 1 for ttl, senders in self._evidence.routers.items() if ttl <= last)

    def _report(self, witness: Sign) -> str:
        return f"{_capital(place_of(self._evidence, witness.ttl))} reports the same words as passed on."

    def _reset_by_host(self, what: str, end: str, last: Sign | None, fact: str) -> Verdict:
        ttls = (last.end_ttl, last.host_ttl) if last is not None else (None, None)
        is_seen = ttls[0] is not None and ttls[0] == ttls[1]
        certainty = Certainty.CERTAIN if is_seen else Certainty.LIKELY
        if is_seen:
            doubt = f"The RST came with TTL {ttls[0]}, like the SYN-ACK."
        elif ttls[0] is not None and ttls[1] is not None:
            doubt = f"The RST came with TTL {ttls[0]}, the SYN-ACK with TTL {ttls[1]}."
            certainty = Certainty.POSSIBLE
        else:
            hop = place_of(self._evidence, max(1, self._found.asked.after))
            doubt = f"Words as far as {hop} are not reset; whether somebody behind it does it is not seen."
        return stated(
            Kind.REFUSED_BY_HOST,
            f"{self._host} itself resets {_small(what)}{end}.",
            doubt,
            fact,
            hop=self._evidence.distance,
            address=self._host,
            certainty=certainty,
        )

    def _answered(self, signs: Signs) -> Verdict:
        heard = next((sign.heard for sign in signs.nearer or signs.full if sign.heard), b"")
        ends = any(sign.end is not None for sign in signs.nearer or signs.full)
        mute = "It ends the connection." if ends else "It says nothing more."
        facts = [f"The answer is {words_of(heard)}." if heard else mute]
        if self._certificate is not None:
            distrust = ", which this machine does not trust" if self._certificate.is_trusted is False else ""
            facts.append(f'Its certificate is issued by "{self._certificate.issuer}"{distrust}.')
        one = _small(self._one)
        if not signs.nearer:
            distance = self._evidence.distance or 0
            farther = max((control.last_router or 0 for control in self._evidence.controls), default=0)
            facts.append(f"Other ports go on to hop {farther} at least." if farther > distance else "")
            return stated(
                Kind.WORD_ANSWERED,
                f"A proxy at hop {distance} answers {one} in place of {self._host}.",
                *facts,
                hop=distance,
                certainty=Certainty.LIKELY,
            )
        far = f"which is {self._found.distance} hops away"
        facts.insert(0, f"Words that could reach hop {signs.before} at most were answered.")
        compared = self._found.control if self._script.control else self._found.neutral
        facts.append(f"{self._other} is answered from there too." if compared.nearer else "")
        where = _capital(between(self._evidence, self._place(signs)))
        witness = _witness_behind(signs)
        who = "somebody who listens only" if witness else "somebody"
        if witness is not None:
            facts.append(self._report(witness))
        return self._at(
            signs,
            Kind.WORD_ANSWERED,
            f"{where} {who} answers {one} in place of {self._host}, {far}.",
            *facts,
            certainty=Certainty.CERTAIN if self._is_clearly_nearer(signs) else Certainty.LIKELY,
        )

    def _refused(self, signs: Signs) -> Verdict | None:
        """R4."""
        one, other = signs.last, self._found.control.last
        if one is None or other is None or not other.heard:
            return None
        name, alert, status = self._one, alert_of(one.heard), status_of(one.heard)
        is_alert = alert is not None and alert != alert_of(other.heard)
        certainty = Certainty.CERTAIN if is_alert and not signs.nearer else Certainty.LIKELY
        if is_alert or (status in REFUSALS and status != status_of(other.heard)):
            how = f"itself refuses {_small(name)}: {words_of(one.heard)}."
        elif not one.heard and one.end is not None:
            how = f"itself closes the connection upon {_small(name)}."
        elif not one.heard:
            how = f"acknowledges {_small(name)}, and says nothing."
            certainty = Certainty.POSSIBLE
        else:
            return None
        return stated(
            Kind.REFUSED_BY_HOST,
            f"{self._host} {how}",
            f"{self._other} is answered with {words_of(other.heard)}.",
            hop=self._evidence.distance,
            address=self._host,
            certainty=certainty,
        )

    def _passes(self, signs: Signs) -> Verdict:
        one, other = signs.last, self._found.control.last
        at = f"{self._host} at hop {self._evidence.distance}"
        if one is not None and one.heard:
            both = self._script.protocol is not Protocol.FILE and other is not None and bool(other.heard)
            fact = f"The answer is {words_of(one.heard)}."
            if both and other is not None:
                fact = f"The answers are {words_of(one.heard)} and {words_of(other.heard)}."
            what = f"{_plural(self._script)} for both names are" if both else f"{self._one} is"
            return self._whole(f"{what} answered by {at}.", fact)
        return self._whole(f"{self._one} arrives at {at}, which says nothing to it.", "")

    def _whole(self, sentence: str, fact: str) -> Verdict:
        return stated(Kind.WORD_PASSES, sentence, fact, hop=self._evidence.distance, address=self._host)

    def _unclear(self) -> Verdict:
        why = (
            "it would take more connections than one run may open"
            if self._found.is_cut_short
            else "the connections failed in ways that contradict each other"
        )
        return stated(Kind.WORD_UNKNOWN, f"Nothing conclusive about words: {why}.")

    # Places and counts ---------------------------------------------------------------------------------

    def _place(self, signs: Signs, *, copies: bool = False) -> Place:
        if copies:
            at = (min(sign.ttl for sign in signs.signs if sign.is_reset) + 1) // 2
            if at <= self._found.distance:
                return Place(at - 1, at)
            return Place(signs.after // 2, None)
        return Place(signs.after, signs.before)

    def _counts(self, signs: Signs, subject: str) -> str:
        if not subject:
            subject = "It"
        times = signs.transmissions_lost
        if signs.nearer:
            return f"{subject} got a RST with TTL {signs.before} and more."
        beyond = f"beyond it {times} times nothing came back"
        return f"Hop {signs.after} answers; {beyond}." if signs.after else f"{_capital(beyond)}."

    def _neutral_passes(self) -> str:
        passes = "pass" if self._found.neutral.is_taken else f"arrive at {self._host}, which resets them"
        return f"{self._script.length} neutral bytes {passes}."

    def _comparison(self, signs: Signs) -> str:
        """What became of the control."""
        if not self._script.control:
            return self._neutral_passes()
        hops = sorted(ttl for ttl in signs.hops if ttl > signs.after)
        where = f"at {_hops(hops)} and by the host" if hops else "by the host"
        again = self._found.again
        after = ", and by the host once more afterwards" if again is not None and again.is_taken else ""
        return f"{self._other} was answered {where} before{after}."

    def _at(
        self,
        signs: Signs,
        kind: Kind,
        sentence: str,
        *facts: str,
        place: Place | None = None,
        certainty: Certainty = Certainty.CERTAIN,
    ) -> Verdict:
        """A verdict with its place, less sure where that is shared (R7)."""
        after = (place or self._place(signs)).after
        is_shared = self._shares_load(after)
        again = self._found.again
        is_doubted = signs is self._found.asked and again is not None and not self._is_as_before(again)
        if is_shared or is_doubted:  # R7
            certainty = Certainty.LIKELY
        address = self._evidence.router(after)
        return stated(kind, sentence, *facts, hop=after or None, address=address, certainty=certainty)


def _is_clear(signs: Signs) -> bool:
    """Whether silence or resets are believed."""
    last = signs.last
    if signs.nearer:
        return any(sign.is_reset for sign in signs.nearer)
    if last is not None and (last.is_reset or last.is_expired):
        return True
    return signs.transmissions_lost >= ENOUGH_LOST or (last is None and bool(signs.lost))


def _witness(signs: Signs) -> Sign | None:
    """A sign of words that were answered, and yet went on to a router."""
    return next((sign for sign in signs.nearer if sign.is_expired), None)


def _witness_behind(signs: Signs) -> Sign | None:
    """One that went farther than they had to for an answer: whoever gave it did not stop them."""
    first = signs.answered_at or 0
    return next((sign for sign in signs.nearer if sign.is_expired and sign.ttl > first), None)


def _is_nearer(last: Sign | None) -> bool:
    """Whether raw sockets show that a RST came from just before the host."""
    if last is None or last.end_ttl is None or last.host_ttl is None:
        return False
    return 0 < last.end_ttl - last.host_ttl <= JUST_BEFORE


def _kind_of_word(script: Script) -> str:
    return "A TLS hello" if script.protocol is Protocol.TLS else "An HTTP request"


def _plural(script: Script) -> str:
    return "TLS hellos" if script.protocol is Protocol.TLS else "HTTP requests"


def _subject(script: Script, name: str) -> str:
    if script.protocol is Protocol.FILE:
        return f"What {name} holds ({script.length} bytes)"
    return f"{_kind_of_word(script)} for {name}" if name else f"{_kind_of_word(script)} without a name"


def _hops(ttls: list[int]) -> str:
    """``hop 3``, ``hops 3 and 4``, ``hops 3 to 6``; gaps are not told."""
    if len(ttls) == 1:
        return f"hop {ttls[0]}"
    return f"hops {ttls[0]} {'and' if len(ttls) == 2 else 'to'} {ttls[-1]}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _small(text: str) -> str:
    """``text`` as it stands within a sentence."""
    return text[0].lower() + text[1:]
