"""Turns probes into bytes and bytes into replies: templates, matching, captures. No socket, no clock."""
