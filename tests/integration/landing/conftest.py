# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_clarus.api.client import ClarusClient
from airflow_provider_clarus.landing import _download as download_module
from airflow_provider_clarus.landing import _gcs as gcs
from airflow_provider_clarus.landing.land import Landed, land
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

from .stores import STORES, Store, StoreUnavailableError

OLD = b"the older report"
log = logging.getLogger("tests.landing")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start each store once: all of its tests go to one worker."""
    for item in items:
        store = (
            item.callspec.params.get("store")
            if isinstance(item, pytest.Function) and hasattr(item, "callspec")
            else None
        )
        if store:
            item.add_marker(pytest.mark.xdist_group(store))
            # Moto speaks S3, too.
            if store == "seaweedfs":
                item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session", params=STORES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Each store in turn; one that a machine cannot have is skipped, but not in CI."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            with STORES[request.param](tmp_path_factory.mktemp(request.param)) as store:
                for name, value in store.environment.items():
                    patch.setenv(name, value)
                yield store
        except StoreUnavailableError as error:
            if "CI" in os.environ:
                raise
            pytest.skip(str(error))


@dataclass(frozen=True)
class Destination:
    """An object that a test lands, in a folder of its own."""

    store: Store
    folder: str

    @property
    def uri(self) -> str:
        return f"{self.folder}/report.csv"

    @property
    def path(self) -> ObjectStoragePath:
        return ObjectStoragePath(self.uri)

    def hold(self, content: bytes) -> None:
        """Put an object there, in the store's own way."""
        with self.path.open("wb") as file:
            file.write(content)

    def shown(self) -> dict[str, bytes]:
        """Everything that the folder shows, by name."""
        folder = ObjectStoragePath(self.folder)
        folder.fs.invalidate_cache()
        return {name.rpartition("/")[2]: folder.fs.cat(name) for name in folder.fs.find(folder.path)}

    def land(self, get_url: Callable[[], str], **options: Any) -> Landed:
        return land(get_url, self.path, log=log, **options)


@pytest.fixture
def destination(store: Store) -> Destination:
    folder = f"{store.root}/{uuid4().hex}"
    if store.name == "local":
        os.mkdir(folder.removeprefix("file://"))
    return Destination(store, folder)


@pytest.fixture
def old(destination: Destination) -> dict[str, bytes]:
    """What the destination shows before: an older object."""
    destination.hold(OLD)
    return {"report.csv": OLD}


@dataclass(frozen=True)
class Served:
    """A document's file, and how to ask for its URL."""

    sandbox: Sandbox
    client: ClarusClient
    id: int

    def get_url(self) -> str:
        return self.client.get_download_url(self.id)

    @property
    def content(self) -> bytes:
        content = self.sandbox.documents[self.id].content
        return b"".join(content.chunks(0, content.size))


@pytest.fixture
def serve(sandbox: Sandbox, client: ClarusClient) -> Callable[[int], Served]:
    """Make a document with a file of so many bytes, ready to be downloaded."""

    def serve(size: int) -> Served:
        sandbox.add_report(Report(id=8, size=size, seconds=0))
        return Served(sandbox, client, *sandbox.add_documents(1, 8))

    return serve


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "_pause", lambda breaks: 0.0)


@pytest.fixture
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Google's upload take several requests, too, for a file of some MiB."""
    monkeypatch.setattr(gcs, "REQUEST", 5 * 1024 * 1024 - 1)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
