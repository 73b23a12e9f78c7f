# SPDX-License-Identifier: Apache-2.0
"""The verdict on a night on call can be a bad one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_clarus.demo.airflow_api import TaskInstance
from tests.cluster.verdict import Form, Verdict

FORM = Form("night", "one", "land", "land", range(1, 4))


def task(index: int, state: str) -> TaskInstance:
    return TaskInstance("land", index, state, 2, None, None, None)


def logged(logs: Path, index: int, text: str) -> None:
    folder = logs / f"dag_id=night/run_id=r/task_id=land/map_index={index}"
    folder.mkdir(parents=True)
    (folder / "attempt=1.log").write_text(text)


@pytest.mark.parametrize(
    ("index", "state", "said", "is_wrong"),
    [
        (0, "success", "", False),
        (0, "failed", "ClarusReportFailedError", True),
        (1, "failed", "ClarusReportFailedError", False),
        (1, "failed", "something else", True),
        (0, "queued", "", True),
        (1, "deferred", "ClarusReportFailedError", True),
    ],
)
def test_only_a_report_that_clarus_cannot_generate_may_fail(
    tmp_path: Path, index: int, state: str, said: str, is_wrong: bool
) -> None:
    logged(tmp_path, index, said)
    verdict = Verdict()
    verdict.check_tasks(FORM, [task(index, state)], {2}, tmp_path)
    assert bool(verdict.wrong) == is_wrong


@pytest.mark.parametrize(
    ("said", "is_wrong"),
    [("queued", True), ("Try 1 broke off, and 2 documents of it may exist.", False)],
)
def test_a_second_generation_needs_a_reason(tmp_path: Path, said: str, is_wrong: bool) -> None:
    logged(tmp_path, 0, said)
    documents: Any = [SimpleNamespace(report=SimpleNamespace(id=1)) for _ in range(2)]
    verdict = Verdict()
    verdict.check_reasons(FORM, documents, tmp_path)
    assert verdict.second == 1
    assert bool(verdict.wrong) == is_wrong


@pytest.mark.parametrize("name", ["machines/worker-1/tmp/a.clarus-partial", "logs/worker-1.log"])
def test_what_is_left_and_what_is_secret_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("GET /?X-Amz-Signature=0123456789abcdef")
    client = SimpleNamespace(list_multipart_uploads=lambda Bucket: {"Uploads": [{"Key": "one/1.csv"}]})  # noqa: N803
    verdict = Verdict()
    verdict.check_leftovers(client, "landing", tmp_path)
    assert len(verdict.wrong) == 2


@pytest.mark.parametrize(("body", "landed"), [(b"right", 1), (b"wrong", 0), (None, 0)])
def test_what_landed_is_compared(body: bytes | None, landed: int) -> None:
    content = SimpleNamespace(size=5, chunks=lambda start, stop: [b"ri", b"ght"])
    documents: Any = [SimpleNamespace(report=SimpleNamespace(id=1), content=content)]
    pages = [{"Contents": [{"Key": "one/1.csv"}] if body else []}]
    client = SimpleNamespace(
        get_paginator=lambda name: SimpleNamespace(paginate=lambda **_: pages),
        get_object=lambda **_: {"Body": SimpleNamespace(read=lambda: body)},
    )
    verdict = Verdict()
    verdict.check_objects(client, "landing", FORM, documents, {2, 3})
    assert verdict.landed == landed
    assert bool(verdict.wrong) == (body != b"right")
