"""Pictures of paths: a drawing of what was found (``of_traces``, ``of_branches``), in three languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetcp.model import AddressTexts, VerdictReached


def picture(ending: str, judged: Sequence[VerdictReached], texts: AddressTexts) -> str:
    """The text of a file with ``ending`` (.svg, .dot or .mmd): the branches of one port, or all paths."""
    if judged[0].branches is not None:
        from tracetcp.formatters.picture.of_branches import draw_branches

        drawing = draw_branches(judged[0].evidence, judged[0].branches, texts)
    else:
        from tracetcp.formatters.picture.of_traces import draw_traces

        drawing = draw_traces(judged, texts)
    if ending == ".svg":
        from tracetcp.formatters.picture.svg import as_svg

        return as_svg(drawing)
    if ending == ".dot":
        from tracetcp.formatters.picture.dot import as_dot

        return as_dot(drawing)
    from tracetcp.formatters.picture.mermaid import as_mermaid

    return as_mermaid(drawing)
