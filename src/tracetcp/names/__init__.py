"""Names and origins of addresses, and addresses of names: the hosts file, then DNS.

The only package that knows DNS. ``open_lookups`` starts look-ups in the background; ``resolving`` finds the
address of a host.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tracetcp.descriptors import room_for
from tracetcp.model import AddressTexts
from tracetcp.model.texts import NO_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tracetcp.names.lookups import AddressLookup

OWN_DESCRIPTORS = 2
"""A kind of look-up has a pair of sockets to tell by."""
MOST_NETWORKS = 4
"""Names of networks that are looked up at once."""
RESERVED_DESCRIPTORS = 4
"""Descriptors left to the runner's wait, a probe, and files being imported."""


class Lookups:
    """The look-ups of one run, for names and for origins; iterates over those in use."""

    def __init__(self, names: AddressLookup | None = None, origins: AddressLookup | None = None) -> None:
        self._names = names
        self._origins = origins

    def __iter__(self) -> Iterator[AddressLookup]:
        return (lookup for lookup in (self._names, self._origins) if lookup is not None)

    @property
    def texts(self) -> AddressTexts:
        """The names and origins known by now; cheap if nothing was found since the last call."""
        return AddressTexts(
            names=self._names.found if self._names else NO_ENTRIES,
            origins=self._origins.found if self._origins else NO_ENTRIES,
        )

    def wait_for(self, address: str) -> None:
        """Look ``address`` up, and wait as long as a row would."""
        from tracetcp.names.waiting import wait_for

        for lookup in self:
            lookup.ask(address)
        for lookup in self:
            wait_for(lookup, (address,))

    def close(self) -> None:
        """Stop asking and close the descriptors; safe to call twice."""
        for lookup in self:
            lookup.close()


def open_lookups(
    *,
    names: bool = True,
    origins: bool = False,
    exact_origins: bool = False,
    warn: Callable[[str], None] = lambda _: None,
) -> Lookups:
    """Look-ups of names (PTR records) and of origin ASes, as far as they are wanted; nothing is asked yet.

    ``exact_origins`` asks for every address, and takes none for that of a neighbour in the same prefix.
    ``warn`` is told in a sentence that this process may open too few files for all of them.
    """
    wanted = [kind for kind, is_wanted in (("name", names), ("AS", origins)) if is_wanted]
    kinds, workers = _fitting(wanted)
    if left_out := " or ".join(wanted[len(kinds) :]):
        warn(f"no {left_out} is looked up, for this process may open too few files: raise 'ulimit -n'")
    return Lookups(
        _open_names(workers) if "name" in kinds else None,
        _open_origins(workers, is_exact=exact_origins) if "AS" in kinds else None,
    )


def _fitting(kinds: list[str]) -> tuple[list[str], int]:
    """The first of ``kinds`` that there are descriptors for, and the workers that each may have."""
    if not kinds:
        return [], 0
    from tracetcp.names.lookups import MOST_WORKERS

    room = room_for(len(kinds) * (OWN_DESCRIPTORS + MOST_WORKERS), RESERVED_DESCRIPTORS)
    workers = room // len(kinds) - OWN_DESCRIPTORS
    return (kinds, workers) if workers > 0 else _fitting(kinds[:-1])


def _open_names(workers: int) -> AddressLookup:
    from tracetcp.names.lookups import ReverseNames

    return ReverseNames(workers=workers)


def _open_origins(workers: int, *, is_exact: bool) -> AddressLookup:
    from tracetcp.names.origins import OriginNames

    return OriginNames(workers=workers, shares_prefixes=not is_exact)


def network_names(networks: Iterable[str]) -> Mapping[str, str]:
    """The names of ``networks`` (``AS64500``) as far as they are known within a second; never raises."""
    from tracetcp.names.origins import NetworkNames
    from tracetcp.names.waiting import wait_for

    wanted = tuple(networks)
    with closing(NetworkNames(workers=max(1, min(len(wanted), MOST_NETWORKS)))) as lookup:
        for network in wanted:
            lookup.ask(network)
        wait_for(lookup, wanted)
        return lookup.found
