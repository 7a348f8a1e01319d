"""Shows the documented 17-hop trace on the simulated Internet, at real speed. Opens no socket."""

from __future__ import annotations

import sys
import time

from internet import VirtualProber, load
from tracetcp.cli.parsing import Invocation, parse
from tracetcp.engine import open_engine
from tracetcp.engine.run_state import RunState
from tracetcp.formatters.presenter import TextPresenter
from tracetcp.model import AddressTexts
from tracetcp.runner import run

SCENARIO = "documented-ftp-port-21"
TARGET = "207.250.14.6:21"


def main(pace: float) -> None:
    """Trace and print; a simulated second takes ``pace`` real seconds."""
    invocation = parse([TARGET])
    assert isinstance(invocation, Invocation)
    scenario = load(SCENARIO)
    prober = VirtualProber(scenario)
    texts = AddressTexts({address: names[0] for address, names in scenario.dns.names.items()})
    presenter = TextPresenter(invocation.config, invocation.display, prober.destination)
    shown_at = prober.clock()
    for events in run(
        open_engine(invocation.config, RunState(b"a repeatable run")), prober, wait=prober.wait
    ):
        time.sleep((prober.clock() - shown_at) * pace)
        shown_at = prober.clock()
        sys.stdout.write("".join(presenter.render(event, texts) for event in events))
        sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
