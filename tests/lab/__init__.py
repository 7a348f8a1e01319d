"""The real-kernel lab: a chain of network namespaces with a client, routers and a server.

    client - r1 - r2 - r3 - r4 - r5 - r6 - server

Everything lives in namespaces with this process's id in their names. No link leads out of them, and the root
namespace is never configured. ``conftest.py`` gives the lab to tests as fixtures.
"""

from __future__ import annotations

from lab.capture import Capture
from lab.chain import DEAD, DEAD_6, OPEN_PORTS, ROUTERS, SERVER, SERVER_6, Chain, near, router
from lab.program import Finished
from lab.report import shape
from lab.requirements import missing_for_namespaces

__all__ = [
    "DEAD",
    "DEAD_6",
    "OPEN_PORTS",
    "ROUTERS",
    "SERVER",
    "SERVER_6",
    "Capture",
    "Chain",
    "Finished",
    "missing_for_namespaces",
    "near",
    "router",
    "shape",
]
