"""Parses what ``--say`` and ``--versus`` were given. Opens nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracetcp.errors import UsageError

if TYPE_CHECKING:
    from tracetcp.config import Say

DEFAULT_CONTROL, OTHER_CONTROL = "example.com", "example.org"
"""Names that are nobody's (RFC 2606): the one to compare with, and one for who asks for that very name."""
LONGEST_NAME = 253
_FORMS = "use tls, tls:NAME, http, http:NAME or @FILE"
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def parse_say(text: str, versus: str | None, host: str) -> Say:
    """What ``text`` means for a trace to ``host``; raises ``UsageError``."""
    from tracetcp.config import Say

    if text.startswith("@"):
        if not text[1:]:
            raise UsageError(f"--say {text!r} names no file: write @FILE")
        if versus is not None:
            raise UsageError(
                "--versus and --say @FILE exclude each other: a file is compared with plain bytes"
            )
        return Say("file", text[1:])
    protocol, colon, name = text.partition(":")
    if protocol not in ("tls", "http"):
        raise UsageError(f"--say {text!r} is nothing that can be said: {_FORMS}")
    if colon:
        _require_name("--say", name)
    if versus is not None:
        _require_name("--versus", versus)
    asked = (name or host).lower().rstrip(".")
    control = versus or (OTHER_CONTROL if asked == DEFAULT_CONTROL else DEFAULT_CONTROL)
    if control.lower().rstrip(".") == asked:
        raise UsageError(f"--say and --versus both name {control}: compare two different names")
    return Say(protocol, name, control)


def _require_name(flag: str, name: str) -> None:
    labels = name.removesuffix(".").split(".")
    is_name = all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()
    if not is_name or len(name) > LONGEST_NAME:
        shown = name if len(name) <= LONGEST_NAME else f"{name[:40]}..."
        raise UsageError(
            f"{flag} {shown!r} is no host name: use letters, digits, hyphens and dots (xn--... for others), "
            f"{LONGEST_NAME} characters at most"
        )
