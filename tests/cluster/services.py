# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL and Redis, from Debian's packages: on free ports, as an ordinary user, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_provider_clarus.demo.processes import BackgroundProcess
from tests.integration.landing.stores import free_ports

#: Debian's packages of what is started here.
PACKAGES = "postgresql redis-server"
#: PostgreSQL refuses to run as root.
ORDINARY = "nobody" if os.geteuid() == 0 else None


class Postgres:
    """One database server, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self._data = folder / "postgres"
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not found:
            raise RuntimeError(f"PostgreSQL is missing: apt-get install {PACKAGES}")
        self._programs = found[-1]

    @property
    def url(self) -> str:
        """The database, as SQLAlchemy knows it."""
        return f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/airflow"

    def create(self) -> None:
        """Make the data folder, start, and make the database."""
        self._data.mkdir(mode=0o700)
        if ORDINARY:
            # Whoever runs it must get there.
            self._data.parent.chmod(0o711)
            shutil.chown(self._data, ORDINARY)
        self._run("initdb", "-D", str(self._data), "-U", "airflow", "--auth=trust", "--no-sync", "-E", "UTF8")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "airflow", "airflow")

    def start(self) -> None:
        """Start, and return when it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._data}"
        options += " -c fsync=off -c max_connections=300"
        self._control("-l", str(self._data / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop at once, whoever is connected."""
        self._control("-m", "immediate", "stop")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-w", "-D", str(self._data), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            user=ORDINARY,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr}")


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run a PostgreSQL."""
    server = Postgres(folder)
    try:
        server.create()
        yield server
    finally:
        # It may be away just now.
        with suppress(RuntimeError):
            server.stop()


@contextmanager
def redis(folder: Path) -> Iterator[tuple[str, BackgroundProcess]]:
    """Run a Redis; yield its URL and its process, which may be killed and started again."""
    (port,) = free_ports(1)
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError(f"Redis is missing: apt-get install {PACKAGES}")
    home = folder / "redis"
    home.mkdir()
    # Kept on disk: what a broker forgets is no fault of ours.
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(home)]
    options += ["--appendonly", "yes", "--appendfsync", "always"]
    process = BackgroundProcess("redis", [program, *options], log=home / "log", env=os.environ, cwd=home)
    process.start()
    try:
        time.sleep(0.5)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
