"""Coverage-guided fuzzing of every parser of network bytes."""
