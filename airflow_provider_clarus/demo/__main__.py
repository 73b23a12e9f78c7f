# SPDX-License-Identifier: Apache-2.0
"""Run ``python3 -m airflow_provider_clarus.demo``: from a fresh clone, or from the wheel, to a landed report.

In a clone, this module needs the standard library only: it makes an environment under ``.demo/`` of the
working directory, once. A provider that is installed runs in the environment that it is installed in. The
demo itself is :mod:`airflow_provider_clarus.demo._run` either way.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

#: The root of the clone, if this is one, which its constraints show.
CLONE = Path(__file__).resolve().parents[2]
CONSTRAINTS = CLONE / ".ci" / "constraints.txt"
#: Seconds.
INSTALL_TIMEOUT = 600


def main() -> None:
    """Run the demo, in a clone in an environment of its own.

    :raises SystemExit: with what to do about it, where the demo cannot run
    """
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        version = ".".join(str(number) for number in sys.version_info[:3])
        sys.exit(f"This is Python {version}, and the demo needs 3.10 to 3.13: start it with one of these.")
    started = time.time()
    if CONSTRAINTS.exists():
        python = _python_of_clone(Path.cwd() / ".demo")
    else:
        python = sys.executable
        _check_installed()
    os.execv(python, [python, "-m", "airflow_provider_clarus.demo._run", str(started)])  # noqa: S606


def _check_installed() -> None:
    """Exit with the remedy where this environment lacks what the demo starts."""
    try:
        import psutil  # noqa: F401

        import airflow_provider_clarus.sandbox.server  # noqa: F401
    except ModuleNotFoundError as missing:
        sys.exit(
            f"The demo needs {missing.name!r}, which comes with the extra 'sandbox':\n"
            "  pip install 'airflow-provider-clarus[sandbox]'"
        )
    version = importlib.metadata.version("apache-airflow")
    if version.startswith("2."):
        sys.exit(f"The demo starts the processes of Airflow 3, and this environment has Airflow {version}.")


def _python_of_clone(folder: Path) -> str:
    """Return the Python of the environment that has this clone installed; make it if need be."""
    environment = folder / "venv"
    stamp = environment / "installed"
    if not (stamp.exists() and stamp.read_text() == _wanted()):
        try:
            _install(environment, folder / "install.log")
        except KeyboardInterrupt:
            sys.exit(130)
        stamp.write_text(_wanted())
    return str(environment / "bin" / "python")


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
