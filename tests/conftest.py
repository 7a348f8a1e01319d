"""For all tests: the ``netns`` marker and the fixtures of the real-kernel lab."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from lab import Chain, missing_for_namespaces
from lab.namespaces import remove_orphans

if TYPE_CHECKING:
    from collections.abc import Iterator


# An example that takes long on a busy machine is no failure.
os.environ.pop("TRACETCP_OPTIONS", None)  # the tests' command lines are whole
settings.register_profile("tracetcp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tracetcp")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that cannot run here, with the reason; under ``CI=true`` fail it instead."""
    reason = missing_for_namespaces() if item.get_closest_marker("netns") else None
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"this test must run under CI, but {reason}", pytrace=False)
    pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that every process makes up anew: one that is told to run the test does not find it."""
    for item in items:
        if re.search(r" at 0x[0-9a-f]", item.nodeid):
            message = f"{item.nodeid}: an address in a test's name differs in every process: give it ids"
            raise pytest.UsageError(message)


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The lab's chain of namespaces, built once; tests use ``lab``, which cleans up after each."""
    remove_orphans()
    with Chain(tmp_path_factory.mktemp("captures")) as built:
        yield built


@pytest.fixture
def lab(chain: Chain) -> Iterator[Chain]:
    """The chain in its plain state; what a test changes through its methods is undone afterwards."""
    yield chain
    chain.reset()
