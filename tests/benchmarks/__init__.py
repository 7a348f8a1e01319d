"""tracetcp beside its peers: the same work on the same path, in turn, every result checked for truth.

``places`` sets the paths up, ``process`` runs and measures one program, ``truth`` checks what it said,
``rows`` holds the work and its targets, ``engine`` measures the decisions alone. Not part of the tests.
"""
