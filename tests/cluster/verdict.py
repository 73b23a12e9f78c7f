# SPDX-License-Identifier: Apache-2.0
"""What must be true in the morning."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_clarus.demo.airflow_api import TaskInstance
from airflow_provider_clarus.sandbox.documents import Document

#: What a log says where a report was generated a second time.
REASONS = re.compile(
    r"documents of it may exist|of an earlier try, [^\n]*: generating anew|Could not keep document"
)
SECRETS = re.compile(r"X-Amz-Signature=[0-9a-f]{8}|sandbox-secret|landing-secret")


@dataclass(frozen=True)
class Form:
    """A DAG, and its reports by the index of the mapped task that generates them.

    :param generates: the task that generates; the one that fails with a report is ``waits``
    """

    dag_id: str
    prefix: str
    generates: str
    waits: str
    reports: Sequence[int]


@dataclass
class Verdict:
    """What was found; :attr:`wrong` says what should not be."""

    landed: int = 0
    failed_in_clarus: int = 0
    second: int = 0
    wrong: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    tries: Counter[int] = field(default_factory=Counter)

    def check_tasks(self, form: Form, tasks: Iterable[TaskInstance], failing: set[int], logs: Path) -> None:
        """Each task ended well, but for those of reports that Clarus cannot generate, which say so."""
        for task in tasks:
            self.tries[task.try_number] += 1
            name = f"{form.dag_id} {task.task_id}[{task.map_index}]"
            if task.state == "success":
                continue
            report = form.reports[task.map_index] if task.task_id == form.waits and task.map_index >= 0 else 0
            if task.state != "failed" or report not in failing:
                self.wrong.append(f"{name} is {task.state} after {task.try_number} tries")
            elif "ClarusReportFailedError" not in _logs(logs, form, form.waits, task.map_index):
                self.wrong.append(f"{name} failed, and its log does not say that Clarus has")
            else:
                self.failed_in_clarus += 1

    def check_objects(
        self, client: Any, bucket: str, form: Form, documents: Iterable[Document], failing: set[int]
    ) -> None:
        """Compare what landed with what Clarus made, byte for byte."""
        made: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            key = f"{document.report.id}.csv" if form.generates == form.waits else document.file_name
            made[f"{form.prefix}/{key}"].append(document)
        landed = set()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{form.prefix}/")
        for item in (item for page in pages for item in page.get("Contents", [])):
            key = item["Key"]
            body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            right = [document for document in made[key] if _content(document) == body]
            if not right:
                self.wrong.append(f"{key} is no document's file, byte for byte")
            landed |= {document.report.id for document in right}
        self.landed += len(landed)
        for report in set(form.reports) - landed - failing:
            self.wrong.append(f"{form.dag_id}: report {report} did not land")

    def check_reasons(self, form: Form, documents: Iterable[Document], logs: Path) -> None:
        """Each second generation has its reason in the log of one of its task's tries."""
        for report, times in Counter(document.report.id for document in documents).items():
            self.second += times - 1
            index = form.reports.index(report)
            said = len(REASONS.findall(_logs(logs, form, form.generates, index)))
            if said < times - 1:
                self.wrong.append(
                    f"{form.dag_id}[{index}] generated {times} times, and its logs have {said} reasons"
                )

    def check_leftovers(self, client: Any, bucket: str, home: Path) -> None:
        """No upload is unfinished, no file of ours lies in a temporary folder, no secret in a log."""
        for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            self.wrong.append(f"an upload of {upload['Key']} is left unfinished")
        for path in home.glob("machines/*/tmp/**/*"):
            if "clarus" in path.name:
                self.wrong.append(f"{path} is left")
        for path in home.glob("logs/**/*"):
            if path.is_file() and (found := SECRETS.search(path.read_text(errors="replace"))):
                self.wrong.append(f"{path} has a secret: {found.group()[:18]}…")


def _logs(logs: Path, form: Form, task_id: str, index: int) -> str:
    files = logs.glob(f"dag_id={form.dag_id}/run_id=*/task_id={task_id}/map_index={index}/attempt=*.log*")
    return "\n".join(path.read_text(errors="replace") for path in files)


def _content(document: Document) -> bytes:
    return b"".join(document.content.chunks(0, document.content.size))
