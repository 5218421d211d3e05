"""Stores that several test files read."""

import shutil
from pathlib import Path

import pytest
from sweep_cases import run_into


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store, only read."""
    path = tmp_path_factory.mktemp("whole") / "store"
    run_into(path)
    return path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A finished store to change."""
    shutil.copytree(whole, tmp_path / "store")
    return tmp_path / "store"
