"""``python -m tracetcp``, and the console script.

Importing this file starts the program. Until ``console`` takes over, Ctrl-C ends the process silently: the
imports below have nothing to clean up, and a traceback would not help the user. The garbage collector is off
until the first probe.
"""

import gc
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
gc.disable()  # imported objects stay: a search for garbage among them takes a tenth of the start-up

from tracetcp.app import console  # noqa: E402 - after the lines above, on purpose

__all__ = ["console"]

if __name__ == "__main__":
    console()
