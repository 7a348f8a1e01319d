"""``python -m tracetcp``, and the console script.

Importing this file is running the program: until ``console`` takes over, Ctrl-C ends the process without a
word, since the imports below have nothing to tidy up and a traceback would tell the user nothing.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)

from tracetcp.app import console  # noqa: E402 - after the line above, on purpose

__all__ = ["console"]

if __name__ == "__main__":
    console()
