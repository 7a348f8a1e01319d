"""Times are masked only in a cell of the right width."""

from __future__ import annotations

import pytest

from lab import shape


@pytest.mark.parametrize(
    ("row", "masked"),
    [
        ("1       0 ms    12 ms   *       10.0.1.1", "1       ~ ms    ~ ms    *       10.0.1.1"),
        ("2       1234 ms 170 ms  10.0.2.1", "2       ~ ms    ~ ms    10.0.2.1"),
        ("3       1 ms  10.0.3.1", "3       1 ms  10.0.3.1"),
        ("3       1 ms     10.0.3.1", "3       1 ms     10.0.3.1"),
        ("7       Destination Reached in 17 ms. Port closed on 10.0.7.1",) * 2,
    ],
)
def test_masked_row(row: str, masked: str) -> None:
    assert shape(row) == masked.replace("in 17 ms", "in ~ ms")
