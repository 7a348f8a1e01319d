"""The command line: what was typed becomes a ``TraceConfig`` and a ``Display``. Sends nothing."""
