"""Probe to bytes and bytes to reply: packet templates, matching, captures. Knows no socket and no clock."""
