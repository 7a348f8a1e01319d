"""``python -m tracetcp``, and the console script.

Importing this file is running the program: until ``console`` takes over, Ctrl-C ends the process without a
word, since the imports below have nothing to tidy up and a traceback would tell the user nothing. The
garbage collector rests until the first probe.
"""

import gc
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
gc.disable()  # what imports make stays: looking for garbage in it takes a tenth of the start

from tracetcp.app import console  # noqa: E402 - after the lines above, on purpose

__all__ = ["console"]

if __name__ == "__main__":
    console()
