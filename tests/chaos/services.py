# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL and Redis, from Debian's packages: on free ports, as an ordinary user, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
        self._programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
        if self._programs is None:
            raise RuntimeError(f"PostgreSQL is missing: apt-get install {PACKAGES}")

    @property
    def url(self) -> str:
        """The database, as SQLAlchemy knows it."""
        return f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/airflow"

    def create(self) -> None:
        """Make the data folder, start, and make the database."""
        self._data.mkdir(mode=0o700)
        if ORDINARY:
            for folder in (self._data, *self._data.parents):
                # Whoever runs it must get there.
                if folder != self._data and folder.stat().st_uid == 0 and folder != Path("/"):
                    folder.chmod(folder.stat().st_mode | 0o011)
            shutil.chown(self._data, ORDINARY)
        self._run("initdb", "-U", "airflow", "--auth", "trust", "--no-sync", "-E", "UTF8")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "airflow", "airflow", data=False)

    def start(self) -> None:
        """Start, and return when it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._data} "
        options += "-c fsync=off -c max_connections=300"
        self._run("pg_ctl", "-w", "-l", str(self._data / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop at once, whoever is connected."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str, data: bool = True) -> None:
        command = [str(self._programs / program), *(["-D", str(self._data)] if data else []), *arguments]  # type: ignore[operator]
        done = subprocess.run(
            command,
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
    server.create()
    try:
        yield server
    finally:
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
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--appendonly", "yes"]
    process = BackgroundProcess("redis", [program, *options], log=home / "log", env=os.environ, cwd=home)
    process.start()
    try:
        time.sleep(0.5)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
