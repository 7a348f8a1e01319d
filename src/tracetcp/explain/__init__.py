"""An engine round the engine: judges traces as they end, sends the controls that verdicts want."""
