"""The fixtures of the adapters' tests: each test runs on every flavour that it asks for."""

from __future__ import annotations

import pytest

from tests.backends import MAKE, NAMES, AnyBackend, Async
from tests.certificates import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Certificates for TLS."""
    return Authority(tmp_path_factory.mktemp("certificates"))


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
