"""What a scenario's hop does about words that pass it over connections: its ``words`` table.

[hop.words]
text [""]           the words that it looks for in a segment; without text any data
does ["drop"]       "drop", "rst", "page" (a HTTP block page), "record" (a TLS alert), or "reject" (an ICMP
                    error); but for the first, in the destination's name
listens [false]     beside the path: the segment passes, and is seen even if its TTL ends here
early [false]       it acts before the TTL is looked at
copies [false]      its RST has the TTL of the segment that it saw
remembers [0]       milliseconds for which it then drops all that goes to the destination
delay [0]           milliseconds that it takes
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from internet.tables import Table

DOES = ("drop", "rst", "page", "record", "reject")
SAID = {
    "page": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nblocked",
    "record": bytes.fromhex("15030300020250"),
}


class Device(NamedTuple):
    """See the format above."""

    text: bytes = b""
    does: str = "drop"
    listens: bool = False
    is_early: bool = False
    copies: bool = False
    remembers: float = 0.0
    delay: float = 0.0
    until: float = inf

    @property
    def sees_expiring(self) -> bool:
        """Whether it acts on a segment whose TTL ends at its hop."""
        return self.listens or self.is_early

    def is_about(self, data: bytes, now: float) -> bool:
        """Whether it looks for what is in ``data``, and does so still."""
        return self.text in data and now <= self.until


def read_device(table: Table | None) -> Device | None:
    """The device of a hop's ``words`` table."""
    if table is None:
        return None
    device = Device(
        table.text("text").encode(),
        table.choice("does", DOES),
        table.flag("listens"),
        table.flag("early"),
        table.flag("copies"),
        table.milliseconds("remembers", 0),
        table.milliseconds("delay", 0),
        table.milliseconds("until", inf),
    )
    table.finish()
    return device
