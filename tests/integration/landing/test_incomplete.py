# SPDX-License-Identifier: Apache-2.0
"""A storage that says it is done, and is not."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_clarus.landing import _gcs as gcs
from airflow_provider_clarus.landing._storage import ObjectOptions
from airflow_provider_clarus.landing.land import land

from .conftest import Destination
from .origin import Origin
from .proxy import LyingProxy
from .stores import gcs_connection

MIB = 1024 * 1024


@contextmanager
def google(last: tuple[int, dict[str, Any] | None]) -> Iterator[str]:
    """Take a resumable upload as Google does, and answer its last request as told."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        received = 0

        def do_POST(self) -> None:
            size = self._read()
            if "uploadType=multipart" in self.path:
                self._send(*last)
            else:
                Handler.received = size * 0
                self._send(200, None, Location=f"http://{self.headers['Host']}/session/of/this/upload")

        def do_PUT(self) -> None:
            Handler.received += self._read()
            if self.headers["Content-Range"].endswith("/*"):
                self._send(308, None, Range=f"bytes=0-{Handler.received - 1}")
            else:
                self._send(*last)

        def do_DELETE(self) -> None:
            self._send(204, None)

        def _read(self) -> int:
            return len(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _send(self, status: int, answer: dict[str, Any] | None, **headers: str) -> None:
            body = json.dumps(answer).encode() if answer else b""
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("size", [9, 20 * MIB])
@pytest.mark.parametrize(
    ("last", "message"),
    [
        ((308, None), "nothing landed"),
        ((200, {"size": "3"}), "has 3 bytes"),
        ((200, {"size": "{size}", "md5Hash": "XUFAKrxLKna5cZ2REBfFkg=="}), "with MD5 XUFA"),
        ((200, {"kind": "storage#object"}), "nothing landed"),
    ],
)
def test_what_google_has_not_kept_has_not_landed(
    monkeypatch: pytest.MonkeyPatch, size: int, last: tuple[int, dict[str, Any] | None], message: str
) -> None:
    monkeypatch.setattr(gcs, "REQUEST", 5 * MIB)
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    status, answer = last
    answer = answer and {name: value.format(size=size) for name, value in answer.items()}
    with google((status, answer)) as endpoint, Origin(os.urandom(size)) as origin:
        name = f"google{endpoint.rpartition(':')[2]}"
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", gcs_connection(endpoint))
        with pytest.raises(OSError, match=message):
            land(lambda: origin.url, ObjectStoragePath(f"gs://{name}@b/k"), log=logging.getLogger("test"))


@pytest.fixture
def lying(destination: Destination, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """The same destination, behind a proxy that lies."""
    store = destination.store
    if store.name not in ("moto", "seaweedfs", "azurite"):
        pytest.skip("a file system tells no lies here; Google has tests of its own")

    @contextmanager
    def lying(lie: str) -> Iterator[tuple[Destination, LyingProxy]]:
        assert store.connection
        with LyingProxy(store.endpoint, lie) as proxy:
            name = f"lying{proxy.url.rpartition(':')[2].partition('/')[0]}"
            monkeypatch.setenv(
                f"AIRFLOW_CONN_{name.upper()}", store.connection.replace(store.endpoint, proxy.url)
            )
            yield Destination(store, destination.folder.replace(f"{store.name}@", f"{name}@")), proxy

    return lying


@pytest.mark.parametrize("size", [9, pytest.param(20 * MIB, marks=pytest.mark.long)])
@pytest.mark.parametrize("lie", ["changes", "cuts", "tells less", "shows nothing"])
def test_what_s3_and_azure_have_not_kept_has_not_landed(
    lying: Callable[[str], Any], destination: Destination, lie: str, size: int
) -> None:
    if (destination.store.name, lie) in (
        ("seaweedfs", "changes"),
        ("seaweedfs", "cuts"),
        ("azurite", "cuts"),
    ):
        pytest.skip("the signature holds it, which this server checks")
    message = r"(?i)other bytes|bytes of .* were sent|has no such object|does not show it|md5"
    with lying(lie) as (behind, _), Origin(os.urandom(size)) as origin:
        for options in (ObjectOptions(), ObjectOptions(metadata={"clarusdocument": "7"})):
            with pytest.raises(Exception, match=message):
                behind.land(lambda: origin.url, options=options)


@pytest.mark.parametrize("size", [9, 20 * MIB])
def test_an_object_whose_etag_is_no_md5_is_read_back(
    lying: Callable[[str], Any], destination: Destination, size: int
) -> None:
    with lying("names it otherwise") as (behind, proxy), Origin(os.urandom(size)) as origin:
        behind.land(lambda: origin.url, options=ObjectOptions(metadata={"clarusdocument": "7"}))
        assert destination.shown() == {"report.csv": origin.body}
        assert bool(proxy.read_back) == (destination.store.name != "azurite")


@pytest.mark.parametrize("size", [9, 20 * MIB])
def test_an_honest_store_is_not_read_back(
    lying: Callable[[str], Any], destination: Destination, size: int
) -> None:
    with lying("nothing") as (behind, proxy), Origin(os.urandom(size)) as origin:
        behind.land(lambda: origin.url)
        assert not proxy.read_back
