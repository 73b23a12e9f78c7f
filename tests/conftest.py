# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before the first import of Airflow, which reads its home once and writes into it.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="clarus-tests-")
os.environ["XDG_STATE_HOME"] = os.path.join(os.environ["AIRFLOW_HOME"], "state")
# gcsfs asks Google itself, for minutes, which kind of bucket it has; it reads this once, when it is imported.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
# What hypothesis reckons of all characters takes it 3 s: once on a machine, and not once in each process.
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = os.path.join(
    tempfile.gettempdir(), f"clarus-tests-hypothesis-{os.getuid()}"
)

import hypothesis

from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

# A shell that runs tests in the background has them ignore Ctrl-C, and so all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
hypothesis.settings.register_profile("quick", database=None, deadline=None, max_examples=4)
# What CI takes: pytest --hypothesis-profile thorough
hypothesis.settings.register_profile("thorough", database=None, deadline=None)
hypothesis.settings.load_profile("quick")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each test has folders of its own; pytest, to number one, reads the names of all beside it."""
    return tmp_path_factory.mktemp("folders")


@pytest.fixture(autouse=True)
def _own_temporary_folder(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests apart: the processes of a machine and user share their tokens in the user's state folder."""
    folder = tempfile.mkdtemp(prefix="tmp", dir=folders)
    monkeypatch.setenv("XDG_STATE_HOME", tempfile.mkdtemp(prefix="state", dir=folders))
    monkeypatch.setenv("TMPDIR", folder)
    monkeypatch.setattr(tempfile, "tempdir", folder)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A Clarus API with report 7, which takes 0.3 s."""
    with Sandbox(reports=[Report(id=7, seconds=0.3)]) as sandbox:
        yield sandbox


@pytest.fixture
def clarus_default(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox as the connection ``clarus_default``."""
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", sandbox.connection_uri)
    return sandbox
