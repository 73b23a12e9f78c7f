# SPDX-License-Identifier: Apache-2.0
"""Landing against what does its work without it, on each storage: ``python -m tests.benchmarks.landing``.

Both take turns, each run in a process of its own against a store of its own, and medians are compared. Memory
is the peak of the resident set over what the process had after it had landed one byte. A second table
compares a plain landing with what else it may do, and with what obstore (``pip install obstore``) does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import multiprocessing
import os
import pkgutil
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.integration.landing.proxy import Reply, StoreProxy
from tests.integration.landing.stores import BUCKET, KEY, SECRET, STORES, Store, free_ports, gcs_connection

GIB = 1024**3
BLOCK = 1024**2
RIVALS = {
    "local": "curl, tee, sha256sum",
    "seaweedfs": "boto3 upload_fileobj",
    "azurite": "azure-storage-blob upload_blob",
    "fake_gcs": "google-cloud-storage upload_from_file",
}
BOUNDS = {"local": 1.0, "seaweedfs": 1.0, "azurite": 0.9, "fake_gcs": 0.9}
MEMORY_BOUND = 120
#: What is compared with a plain landing, by server; moto is the one that takes any key.
MORE = {"seaweedfs": ("obstore", "obstore_create", "gzip"), "azurite": ("obstore",), "moto": ("kms",)}
SKIPPED = 1000
#: Of which so many are counted, through a proxy, request by request.
COUNTED = 20


class Origin(BaseHTTPRequestHandler):
    """Answers ``/size`` with so many bytes, and as S3 does with an object that was uploaded in parts."""

    protocol_version = "HTTP/1.1"
    block = os.urandom(BLOCK)
    rows = b"".join(b"%08d,SKU-%05d,%d\n" % (n, n * 7919 % 100_000, n * n % 977) for n in range(50_000))[
        :BLOCK
    ]

    def do_GET(self) -> None:
        kind, _, size = self.path.strip("/").rpartition("/")
        block = self.rows if kind else self.block
        left = int(size)
        self.send_response(200)
        self.send_header("Content-Length", str(left))
        self.send_header("ETag", '"00000000000000000000000000000000-2"')
        self.end_headers()
        while left:
            self.connection.sendall(block[:left])
            left -= min(left, BLOCK)

    def log_message(self, *arguments: Any) -> None:
        pass


class Sink(BaseHTTPRequestHandler):
    """Takes Google's resumable uploads and forgets them: for 4 GiB, fake-gcs-server needs over 20 GB."""

    protocol_version = "HTTP/1.1"
    received = 0

    def do_POST(self) -> None:
        Sink.received = 0
        self._swallow()
        if "uploadType=multipart" in self.path:
            self._answer(200, {}, b'{"size": "1"}')
            return
        self._answer(200, {"Location": f"http://{self.headers['Host']}/upload/session/of/the/sink"})

    def do_PUT(self) -> None:
        Sink.received += self._swallow()
        more = self.headers["Content-Range"].endswith("/*")
        body = b"{}" if more else b'{"size": "%d"}' % Sink.received
        self._answer(308 if more else 200, {"Range": f"bytes=0-{Sink.received - 1}"}, body)

    def _swallow(self) -> int:
        size = left = int(self.headers.get("Content-Length", 0))
        while left:
            left -= len(self.rfile.read(min(left, BLOCK)))
        return size

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes = b"{}") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def sink(folder: Path) -> Iterator[Store]:
    """A store of sorts, for runs that measure memory."""
    (port,) = free_ports(1)
    with background(serve, port, Sink):
        yield Store("fake_gcs", f"gs://fake_gcs@{BUCKET}", gcs_connection(f"http://127.0.0.1:{port}"))


def land(store: Store, url: Callable[[int], str], size: int) -> Callable[[], object]:
    """Prepare the landing of ``size`` bytes."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_clarus.landing.land import land

    path = ObjectStoragePath(f"{store.root}/landed.bin")
    log = logging.getLogger("benchmark")
    land(lambda: url(1), path, log=log)
    return lambda: land(lambda: url(size), path, log=log)


def land_gzip(store: Store, url: Callable[[int], str], size: int) -> Callable[[], object]:
    """Prepare the same of rows, packed on their way."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_clarus.landing.land import land

    path = ObjectStoragePath(f"{store.root}/landed.gz")
    log = logging.getLogger("benchmark")
    rows = url(size).replace(f"/{size}", f"/rows/{size}")
    land(lambda: url(1), path, log=log)
    return lambda: land(lambda: rows, path, log=log, compress=True)


def land_kms(store: Store, url: Callable[[int], str], size: int) -> Callable[[], object]:
    """Prepare the same with a key, a storage class and metadata."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_clarus.landing._storage import ObjectOptions
    from airflow_provider_clarus.landing.land import land

    path = ObjectStoragePath(f"{store.root}/landed.bin")
    log = logging.getLogger("benchmark")
    arguments = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/reports"}
    options = ObjectOptions("text/csv", {"clarusdocument": "7"}, arguments)
    land(lambda: url(1), path, log=log, options=options)
    return lambda: land(lambda: url(size), path, log=log, options=options)


def skip(store: Store, url: Callable[[int], str], size: int) -> Callable[[], object]:
    """Prepare to leave ``SKIPPED`` objects alone, each as the task of a landed day does."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator

    path = ObjectStoragePath(f"{store.root}/many")
    for number in range(SKIPPED):
        path.fs.call_s3("put_object", Bucket=BUCKET, Key=f"many/{number}.csv", Body=b"1")

    def day(number: int) -> object:
        task = ClarusReportToObjectStorageOperator(
            task_id=f"day_{number}",
            report_id=7,
            destination=f"{store.root}/many/{number}.csv",
            if_exists="skip",
        )
        return task.execute({})

    # No Clarus answers at this address: a task that asked it would fail.
    os.environ["AIRFLOW_CONN_CLARUS_DEFAULT"] = "clarus://a:b@127.0.0.1:9/acme?allow_http=true"
    connection = os.environ[f"AIRFLOW_CONN_{store.name.upper()}"]
    with CountingProxy(store.endpoint) as proxy:
        os.environ[f"AIRFLOW_CONN_{store.name.upper()}"] = connection.replace(store.endpoint, proxy.url)
        for number in range(COUNTED):
            day(number)
    os.environ[f"AIRFLOW_CONN_{store.name.upper()}"] = connection

    def days() -> dict[str, float]:
        for number in range(SKIPPED):
            day(number)
        return {"requests": proxy.count / COUNTED}

    return days


class CountingProxy(StoreProxy):
    """Counts what it passes on."""

    count = 0

    def meet(self, request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        self.count += 1
        return super().meet(request, body)


def obstore(store: Store, url: Callable[[int], str], size: int, **options: Any) -> Callable[[], object]:
    """Prepare the landing's download into obstore's ``put``, with the connection's credentials."""
    from airflow_provider_clarus.landing._download import Download

    target = obstore_store(store)
    log = logging.getLogger("benchmark")

    def put(size: int) -> None:
        sha256 = hashlib.sha256()
        download = Download(lambda: url(size), verify=True, proxies=None, timeout=60, log=log)

        def chunks() -> Iterator[bytes]:
            for chunk in download.chunks():
                sha256.update(chunk)
                yield chunk

        target.put("landed.bin", chunks(), chunk_size=8 * BLOCK, max_concurrency=4, **options)

    put(1)
    if "mode" in options:
        target.delete("landed.bin")
    return lambda: put(size)


def obstore_create(store: Store, url: Callable[[int], str], size: int) -> Callable[[], object]:
    """Prepare the same under the condition that there is no such object."""
    return obstore(store, url, size, mode="create")


def obstore_store(store: Store) -> Any:
    """Open a store in obstore by way of the hook of its Airflow connection."""
    from obstore.store import AzureStore, S3Store

    plain: Any = {"client_options": {"allow_http": True}}
    if store.name == "azurite":
        from airflow.providers.microsoft.azure.hooks.wasb import WasbHook

        account = WasbHook(store.name).get_conn().credential
        return AzureStore(
            BUCKET,
            account_name=account.account_name,
            account_key=account.account_key,
            endpoint=store.endpoint,
            **plain,
        )
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from obstore.auth.boto3 import Boto3CredentialProvider

    return S3Store(
        BUCKET,
        endpoint=store.endpoint,
        region="us-east-1",
        virtual_hosted_style_request=False,
        credential_provider=Boto3CredentialProvider(S3Hook(store.name).get_session()),
        **plain,
    )


def rival(store: Store, url: Callable[[int], str], size: int) -> Callable[[], object]:
    """Prepare what landing is compared with."""
    import requests

    def body() -> Any:
        return requests.get(url(size), stream=True, timeout=60).raw

    if store.name == "local":
        target = f"{store.root.removeprefix('file://')}/landed.bin"
        pipe = f"set -o pipefail; curl -sf {url(size)} | tee {target} | sha256sum"
        return lambda: subprocess.run(["bash", "-c", pipe], check=True, stdout=subprocess.DEVNULL)
    if store.name == "seaweedfs":
        import boto3

        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        s3 = boto3.client("s3", endpoint_url=store.endpoint, **keys)
        s3.put_object(Bucket=BUCKET, Key="landed.bin", Body=b"1")
        return lambda: s3.upload_fileobj(body(), BUCKET, "landed.bin")
    if store.name == "azurite":
        from azure.storage.blob import BlobServiceClient

        service = BlobServiceClient.from_connection_string(
            json.loads(store.connection)["extra"]["connection_string"]
        )
        blob = service.get_blob_client(BUCKET, "landed.bin")
        blob.upload_blob(b"1", overwrite=True)
        return lambda: blob.upload_blob(body(), length=size, overwrite=True)
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    client = Client("lab", AnonymousCredentials(), client_options={"api_endpoint": store.endpoint})
    gcs_blob = client.bucket(BUCKET).blob("landed.bin")
    gcs_blob.upload_from_string(b"1")
    return lambda: gcs_blob.upload_from_file(body(), size=size)


def measure(action: Callable[[], object]) -> dict[str, float]:
    """Do something once, and tell seconds, seconds of CPU, and MB above idle at the peak."""
    status = Path("/proc/self/status")

    def peak() -> int:
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    Path("/proc/self/clear_refs").write_text("5")
    idle, cpu, start = peak(), _cpu(), time.perf_counter()
    told = action()
    return {
        "seconds": time.perf_counter() - start,
        "cpu": _cpu() - cpu,
        "memory": (peak() - idle) / 1e6,
        **(told if isinstance(told, dict) else {}),
    }


def _cpu() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def run(who: str, name: str, size: int, port: int, folder: Path) -> dict[str, float]:
    """Measure once, in a process and against a store that are both new."""
    stores = {**STORES, "sink": sink}
    with tempfile.TemporaryDirectory(dir=folder) as scratch, stores[name](Path(scratch)) as store:
        facts = {**vars(store), "process": None}
        command = [sys.executable, "-m", __spec__.name, "--one", who, json.dumps(facts), str(size), str(port)]
        environment = {**os.environ, **store.environment}
        root = Path(__file__).parents[2]
        output = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, env=environment, cwd=root, text=True
        ).stdout
    return json.loads(output.splitlines()[-1])


def one(who: str, facts: str, size: str, port: str) -> None:
    """Be that process; ``who`` may also be ``module:function``, of another benchmark."""
    prepare = {
        "landing": land,
        "rival": rival,
        "gzip": land_gzip,
        "kms": land_kms,
        "skip": skip,
        "obstore": obstore,
        "obstore_create": obstore_create,
    }.get(who) or pkgutil.resolve_name(who)
    action = prepare(Store(**json.loads(facts)), lambda size: f"http://127.0.0.1:{port}/{size}", int(size))
    print(json.dumps(measure(action)))


def compare(names: Sequence[str], size: int, memory_size: int, turns: int, port: int, folder: Path) -> None:
    """Print a line per store."""
    print(f"{size / GIB:g} GiB, {os.cpu_count()} cores, stores in {folder}; medians of {turns}")
    print("| to | landing MB/s | against | MB/s | ratio | bound | CPU s | MB above idle | larger file |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in names:
        runs: dict[str, list[dict[str, float]]] = {"rival": [], "landing": []}
        for _ in range(turns):
            for who, results in runs.items():
                results.append(run(who, name, size, port, folder))
        ours, theirs = (median(runs[who], "seconds") for who in ("landing", "rival"))
        larger_to = "sink" if name == "fake_gcs" else name
        larger = run("landing", larger_to, memory_size, port, folder)["memory"] if memory_size else 0
        cells = [
            name,
            f"{size / 1e6 / ours:.0f}",
            RIVALS[name],
            f"{size / 1e6 / theirs:.0f}",
            f"{theirs / ours:.2f}",
            f"{BOUNDS[name]}",
            f"{median(runs['landing'], 'cpu'):.1f} / {median(runs['rival'], 'cpu'):.1f}",
            f"{max(result['memory'] for result in runs['landing']):.0f}",
            f"{larger:.0f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
    print(f"Memory must stay under {MEMORY_BOUND} MB; the larger file has {memory_size / GIB:g} GiB.")


def compare_more(size: int, turns: int, port: int, folder: Path) -> None:
    """Print a line for each thing more that a landing may do, and for who else may do it."""
    print(
        f"{size / GIB:g} GiB; each against a plain landing on the same server, in turns; medians of {turns}"
    )
    print("| what | on | MB/s | plain MB/s | ratio | CPU s, plain | MB above idle, plain |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name, others in MORE.items():
        runs: dict[str, list[dict[str, float]]] = {who: [] for who in ("landing", *others)}
        for _ in range(turns):
            for who, results in runs.items():
                results.append(run(who, name, size, port, folder))
        for who in others:
            this, plain = (median(runs[each], "seconds") for each in (who, "landing"))
            cells = [
                who,
                name,
                f"{size / 1e6 / this:.0f}",
                f"{size / 1e6 / plain:.0f}",
                f"{plain / this:.2f}",
                ", ".join(f"{median(runs[each], 'cpu'):.1f}" for each in (who, "landing")),
                ", ".join(
                    f"{max(result['memory'] for result in runs[each]):.0f}" for each in (who, "landing")
                ),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)
    skipped = run("skip", "seaweedfs", 0, port, folder)
    print(
        f"if_exists=skip of {SKIPPED} objects on seaweedfs: {skipped['seconds']:.1f} s,"
        f" {skipped['seconds'] / SKIPPED * 1e3:.0f} ms each, {skipped['cpu']:.1f} s of CPU;"
        f" {skipped['requests']:g} request each to the storage, none to Clarus"
    )


def median(results: Sequence[Mapping[str, float]], what: str) -> float:
    """Return the middle one."""
    return statistics.median(result[what] for result in results)


def serve(port: int, handler: type[BaseHTTPRequestHandler]) -> None:
    """Be a server."""
    ThreadingHTTPServer(("127.0.0.1", port), handler).serve_forever()


@contextmanager
def background(target: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Do something in another process until the context is left."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=1.0, help="GiB")
    parser.add_argument("--memory-size", type=float, default=4.0, help="GiB of one more run; 0 for none")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--stores", nargs="+", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--only-more", action="store_true", help="the second table alone")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="of the stores")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(*arguments.one)
        return
    (port,) = free_ports(1)
    size, memory_size = int(arguments.size * GIB), int(arguments.memory_size * GIB)
    with tempfile.TemporaryDirectory() as home, background(serve, port, Origin):
        os.environ["AIRFLOW_HOME"] = home
        if not arguments.only_more:
            compare(arguments.stores, size, memory_size, arguments.turns, port, arguments.folder)
        compare_more(size, arguments.turns, port, arguments.folder)


if __name__ == "__main__":
    main()
