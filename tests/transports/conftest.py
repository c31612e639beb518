"""The fixtures of the adapters' tests: each test runs on every flavour that it asks for."""

from __future__ import annotations

import pytest

from tests.backends import MAKE, NAMES, AnyBackend, Async


@pytest.fixture(params=NAMES)
def backend(request: pytest.FixtureRequest) -> AnyBackend:
    """Every flavour, and the lockstep scheduler."""
    return MAKE[request.param]()


@pytest.fixture(params=NAMES[1:])
def real_backend(request: pytest.FixtureRequest) -> AnyBackend:
    """Every flavour over real sockets."""
    return MAKE[request.param]()


@pytest.fixture(params=NAMES[2:])
def async_backend(request: pytest.FixtureRequest) -> Async:
    """trio, and anyio on both of its backends."""
    made = MAKE[request.param]()
    assert isinstance(made, Async)
    return made
