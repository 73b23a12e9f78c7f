# SPDX-License-Identifier: Apache-2.0
"""``python3 -m airflow_provider_clarus.demo``: from a fresh clone to a landed report.

This module needs the standard library only. It makes an environment under ``.demo/`` of the working
directory, once, and hands over to :mod:`airflow_provider_clarus.demo._run` in it.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
CONSTRAINTS = CLONE / ".ci" / "constraints.txt"
INSTALL_TIMEOUT = 600


def main() -> None:
    """Make the environment if need be, and run the demo in it."""
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        version = ".".join(str(number) for number in sys.version_info[:3])
        sys.exit(f"This is Python {version}, and the demo needs 3.10 to 3.13: start it with one of these.")
    if not CONSTRAINTS.exists():
        sys.exit("The demo runs in a clone of the repository: it installs it, and runs its example DAG.")
    started = time.time()
    demo = Path.cwd() / ".demo"
    environment = demo / "venv"
    stamp = environment / "installed"
    if not (stamp.exists() and stamp.read_text() == _wanted()):
        try:
            _install(environment, demo / "install.log")
        except KeyboardInterrupt:
            sys.exit(130)
        stamp.write_text(_wanted())
    python = str(environment / "bin" / "python")
    os.execv(python, [python, "-m", "airflow_provider_clarus.demo._run", str(started)])  # noqa: S606


def _wanted() -> str:
    """Return what an environment is made from; another one has to be made anew."""
    digest = hashlib.sha256(CONSTRAINTS.read_bytes() + (CLONE / "pyproject.toml").read_bytes())
    return f"{CLONE} {sys.version} {digest.hexdigest()}"


def _install(environment: Path, log: Path) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    what = ["-c", str(CONSTRAINTS), "-e", f"{CLONE}[sandbox]"]
    if _has_uv():
        tool = "uv"
        make = ["uv", "venv", "--python", sys.executable, str(environment)]
        install = ["uv", "pip", "install", "--python", str(environment), *what]
    else:
        tool = "pip"
        make = [sys.executable, "-m", "venv", str(environment)]
        pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        install = [*pip, "install", "--progress-bar", "off", *what]
    print(f"Installing Airflow and this provider into {environment} with {tool}, once; see {log}", flush=True)  # noqa: T201
    for command in (make, install):
        _run(command, log)


def _has_uv() -> bool:
    """Tell whether uv works: under pyenv, a uv on the path may be a stub of another Python's."""
    found = shutil.which("uv")
    return found is not None and subprocess.run([found, "--version"], capture_output=True).returncode == 0  # noqa: S603


def _run(command: list[str], log: Path) -> None:
    """Run a command, showing now and then what it does; exit with its last words if it fails."""
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 (the command is ours)
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        while process.poll() is None:
            time.sleep(0.2)
            seconds = time.monotonic() - began
            if seconds > INSTALL_TIMEOUT:
                sys.exit(f"Not installed after {seconds:.0f} s; see {log}")
            if int(seconds) // 10 > int(seconds - 0.2) // 10:
                print(f"  {seconds:3.0f} s  {_last_line(log)}", flush=True)  # noqa: T201
    finally:
        _kill(process)
    if process.returncode != 0:
        words = "\n  ".join(log.read_text(errors="replace").splitlines()[-15:])
        sys.exit(f"'{shlex.join(command)}' failed. It needs pip and a package index. It said:\n  {words}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the installer and what it started, for instance a build, when it is interrupted."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:90]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
