"""Formatters turn events into text: one file a format, pure."""
