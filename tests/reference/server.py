# SPDX-License-Identifier: Apache-2.0
"""The Clarus API on Rails (``clarus.rb``), as a process that tests start and steer as they do the sandbox."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import requests

PROGRAM = Path(__file__).with_name("clarus.rb")
#: Debian's packages of what the programs here require.
PACKAGES = "ruby ruby-rails ruby-doorkeeper ruby-graphql ruby-chronic ruby-sqlite3 puma"


def needs_ruby() -> None:
    """Skip a test where Ruby and its libraries are not installed; under CI, fail."""
    ruby = shutil.which("ruby")
    libraries = (
        "require 'logger'; require 'rails'; require 'doorkeeper'; require 'graphql'; require 'chronic'"
    )
    if ruby and subprocess.run([ruby, "-e", libraries], capture_output=True).returncode == 0:
        return
    reason = f"the reference server needs: apt-get install {PACKAGES}"
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def chronic(phrases: list[str], zone: str = "UTC") -> list[list[str | None]]:
    """Return what Chronic reads of each phrase at two moments, in UTC."""
    needs_ruby()
    command = ["ruby", str(PROGRAM.with_name("chronic.rb")), zone]
    done = subprocess.run(command, input=json.dumps(phrases), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


class Reference:
    """One server, from entering the context until leaving it.

    :param options: as ``OPTIONS`` in ``clarus.rb``
    """

    client_id = "clarus-client"
    client_secret = "reference-secret"
    tenant = "acme"

    def __init__(self, **options: Any) -> None:
        self._options = options
        self.url = ""

    def __enter__(self) -> Reference:
        needs_ruby()
        self._folder = tempfile.mkdtemp(prefix="clarus-reference-")
        self._log = open(Path(self._folder, "log"), "w+")
        options = {"folder": self._folder, **self._options}
        self._process = subprocess.Popen(
            ["ruby", str(PROGRAM), json.dumps(options)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=self._folder,
            text=True,
        )
        assert self._process.stdout
        said = self._process.stdout.readline()
        if not said:
            self._log.seek(0)
            words = self._log.read()[-2000:]
            self.__exit__(None, None, None)
            raise RuntimeError(f"The reference server did not start: {words}")
        self.url = f"http://127.0.0.1:{json.loads(said)['port']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def fields(self) -> dict[str, Any]:
        """The Airflow connection's fields."""
        host, _, port = self.url.rpartition(":")
        return {
            "conn_type": "clarus",
            "host": host,
            "port": int(port),
            "login": self.client_id,
            "password": self.client_secret,
            "schema": self.tenant,
        }

    @property
    def connection_json(self) -> str:
        """The Airflow connection as JSON."""
        return json.dumps(self.fields)

    def add_report(self, **report: Any) -> None:
        """Add a report: ``id``, ``owner``, ``seconds``, ``outcome``, ``declared``, ``stored``, ``times``."""
        requests.post(f"{self.url}/stage/reports", json=report, timeout=10).raise_for_status()

    def revoke_tokens(self) -> None:
        """End all access tokens, as a sign-in with the API user does."""
        requests.post(f"{self.url}/stage/revoke", timeout=10).raise_for_status()

    def count(self, path: str) -> int:
        """Return how many requests a path has had."""
        logged = requests.get(f"{self.url}/stage/requests", timeout=10).json()
        return sum(request["path"] == path for request in logged)
