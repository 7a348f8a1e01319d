"""Benchmarks of tracetcp and its peers: the same work on the same path, in turn, every result checked.

``places`` sets up the paths, ``process`` runs and measures one program, ``truth`` checks its output, ``rows``
has the work and its targets, ``engine`` measures the engine alone. Not part of the tests.
"""
