"""What every suite shares: where the server is. The runner (run.mjs) sets these variables."""

import os

import pytest


@pytest.fixture(scope="session")
def rest() -> str:
    """Host and port of REST."""
    return os.environ["SERVABLE_HTTP"]


@pytest.fixture(scope="session")
def rpc() -> str:
    """Host and port of gRPC."""
    return os.environ["SERVABLE_GRPC"]


@pytest.fixture(scope="session")
def program_rest() -> str:
    """Host and port of REST of program.mjs."""
    return os.environ["PROGRAM_HTTP"]


@pytest.fixture(scope="session")
def program_rpc() -> str:
    """Host and port of gRPC of program.mjs."""
    return os.environ["PROGRAM_GRPC"]
