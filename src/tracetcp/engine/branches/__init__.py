"""Finds the paths over which load sharing spreads the flows of one port: multipath detection with SYNs.

Reading order: ``stopping`` (how many flows rule a further branch out), ``samples`` (what each flow met at
each TTL), ``plan`` (the rules: which flow is asked next, and where), ``search`` (when: pacing, timeouts, the
budget), ``branch_engine`` (the search after a trace), ``graph`` (what was found, as frozen values).
"""
