"""Many targets in one run (``-f``, ``--all-addresses``): one process, one rate, routers asked for all.

Reading order: ``crowd`` (the loop), ``rate`` (its pace), ``listing`` and ``arrivals`` (where targets come
from), ``resume`` (what an earlier run has done), ``session`` (opens it all). What the engines share is in
``engine.trace.shared_routers``, how they share sockets in ``probers.hub``.
"""
