"""The cells of a hop, which verbose and condensed rows share. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetcp.formatters.columns import address_cells, milliseconds, ping_cell
from tracetcp.model import Outcome
from tracetcp.model.icmp_words import icmp_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetcp.model import AddressTexts, Hop

TIMED_OUT_SENTENCE = "Request timed out."


def cells(hop: Hop, texts: AddressTexts, precision: int, reached: Mapping[Outcome, str]) -> list[str]:
    """The cells after the number of the hop.

    ``reached`` has the sentences for an open and a closed destination, with ``{rtt}`` and ``{address}``.
    """
    if hop.outcome is not None and hop.outcome in reached:
        *lost, answer = hop.pings
        rtt = milliseconds(answer.rtt or 0.0, precision)
        address = answer.reply.sender if answer.reply else ""
        sentence = reached[hop.outcome].format(rtt=rtt, address=address)
        return [*[ping_cell(ping, precision) for ping in lost], sentence]
    final = hop.final_reply
    row = [ping_cell(ping, precision) for ping in hop.pings]
    if hop.outcome is Outcome.UNREACHABLE and final is not None:
        return [*row, f"{final.sender} reports: {icmp_words(final.icmp_type, final.icmp_code)}"]
    if not hop.senders:
        return [*row, TIMED_OUT_SENTENCE]
    for sender in hop.senders:
        row += address_cells(sender, texts)
    return row
