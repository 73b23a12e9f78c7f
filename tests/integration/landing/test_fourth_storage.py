# SPDX-License-Identifier: Apache-2.0
"""A storage that this package does not know, added as docs/landing.md says: a module, and a line."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from airflow_provider_clarus.exceptions import ClarusInputError
from airflow_provider_clarus.landing import _storage, names
from airflow_provider_clarus.landing._storage import ObjectExistsError, ObjectOptions, Stored, check_names
from airflow_provider_clarus.landing.link import console_url
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.tasks import context

#: What the storage holds, by its paths.
HELD: dict[str, tuple[bytes, ObjectOptions]] = {}


class MemoryWriter:
    def __init__(self, path: str, options: ObjectOptions) -> None:
        self._path, self._options, self._body = path, options, b""

    def write(self, chunk: bytes) -> None:
        self._body += chunk

    def commit(self) -> None:
        if self._options.if_absent and self._path in HELD:
            raise ObjectExistsError
        HELD[self._path] = self._body, self._options

    def discard(self) -> None:
        self._body = b""


class Memory(ModuleType):
    CHATTY = ()

    def check(self, key: str, options: ObjectOptions) -> None:
        check_names(options, allowed=frozenset({"colour"}), storage="Memory")

    def look(self, path: Any) -> Stored | None:
        body, options = HELD.get(path.path, (None, ObjectOptions()))
        return None if body is None else Stored(len(body), options.metadata)

    def open_writer(self, path: Any, options: ObjectOptions) -> MemoryWriter:
        return MemoryWriter(path.path, options)

    def console_url(self, bucket: str, key: str, connection: Any) -> str:
        return f"https://memory.example/{bucket}/{key}"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    HELD.clear()
    name = "airflow_provider_clarus.landing._memory"
    monkeypatch.setitem(sys.modules, name, Memory(name))
    monkeypatch.setitem(_storage.KINDS, "memory", _storage._Kind("_memory"))
    monkeypatch.setattr(names, "SCHEMES", tuple(_storage.KINDS))


@pytest.mark.usefixtures("memory")
def test_a_fourth_storage_is_a_module_and_a_line(clarus_default: Sandbox, document: int) -> None:
    def land(**arguments: Any) -> Any:
        given = {"destination": "memory://bucket/reports/", "extra_args": {"colour": "red"}, **arguments}
        return ClarusDownloadDocumentOperator(task_id="land", document_id=document, **given).execute(
            context()
        )

    landed = land()
    ((body, options),) = HELD.values()
    assert (len(body), options.content_type, options.extra_args) == (
        landed["size"],
        "text/csv",
        {"colour": "red"},
    )
    assert options.metadata == {"clarusdocument": str(document), "clarustenant": "acme"}
    # Not the result's own: the libraries of Airflow 2.11 write it with three slashes, for this scheme.
    uri = f"memory://bucket/reports/{landed['file_name']}"
    assert land(if_exists="skip") == {**landed, "sha256": None}
    with pytest.raises(ClarusInputError, match="exists already"):
        land(if_exists="fail", destination=uri)
    with pytest.raises(ClarusInputError, match="'color', which Memory does not take here: it takes colour"):
        land(extra_args={"color": "red"})
    assert console_url(uri) == f"https://memory.example/bucket/reports/{landed['file_name']}"
