# SPDX-License-Identifier: Apache-2.0
"""Start background processes, and stop them so that they leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil


class BackgroundProcess:
    """One command in a session of its own, its output in a file.

    The session is what makes stopping complete: an Airflow task runs in its own process group, but whatever a
    component forks stays in the component's session, also when the component itself is already dead.
    """

    def __init__(self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path):
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = dict(env)
        self.cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its session."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started.")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How the command ended, ``None`` while it runs or before it is started."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start the command, and start it anew when it has ended; the log is appended to."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (the command is ours)
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the command itself still runs; what it left behind may outlive it until ``kill``."""
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """Ask the command, not its children, to end: the components of Airflow end theirs themselves."""
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL everything in the session, and return when it is gone; harmless when nothing runs."""
        if self._process is None:
            return
        while members := session_members(self.pid):
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.poll()
            time.sleep(0.02)
        self._process.wait()
        self._process = None

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def stop_all(processes: Iterable[BackgroundProcess], timeout: float) -> None:
    """End all together: politely, and after ``timeout`` seconds or another Ctrl-C by SIGKILL."""
    started = list(processes)
    try:
        for process in started:
            process.terminate()
        deadline = time.monotonic() + timeout
        while any(process.running for process in started) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        for process in started:
            process.kill()


def session_members(session: int) -> list[int]:
    """Return the ids of all live processes in a session."""
    members = []
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
    return members
