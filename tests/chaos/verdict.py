# SPDX-License-Identifier: Apache-2.0
"""What must be true in the morning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from airflow_provider_clarus.demo.airflow_api import TaskInstance
from airflow_provider_clarus.sandbox.documents import Document

#: What a log says where a report was generated a second time.
REASONS = re.compile(
    r"two documents|may exist|broke off|of an earlier try (failed|is gone)|will generate again"
)


@dataclass
class Verdict:
    """What was found; :attr:`wrong` says what should not be."""

    landed: int = 0
    failed_in_clarus: int = 0
    second: int = 0
    wrong: list[str] = field(default_factory=list)
    tries: Counter[int] = field(default_factory=Counter)

    def check_runs(self, dag_id: str, states: Mapping[str, str], tasks: Iterable[TaskInstance]) -> None:
        """Take the states of runs, and the tasks; none is stuck."""
        for run_id, state in states.items():
            if state not in ("success", "failed"):
                self.wrong.append(f"{dag_id} {run_id} is still {state}")
        for task in tasks:
            self.tries[task.try_number] += 1
            if task.state not in ("success", "failed", "upstream_failed", "skipped"):
                self.wrong.append(f"{dag_id} {task.task_id}[{task.map_index}] is still {task.state}")

    def check_objects(
        self, client: Any, bucket: str, prefix: str, documents: Iterable[Document], *, by_report: bool
    ) -> None:
        """Compare what landed with what Clarus made, byte for byte."""
        made: dict[str, list[Document]] = {}
        for document in documents:
            key = f"{document.report.id}.csv" if by_report else document.file_name
            made.setdefault(f"{prefix}/{key}", []).append(document)
        found = {
            item["Key"]: client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            for item in client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
        }
        reports_landed = set()
        for key, body in found.items():
            right = [document for document in made.get(key, []) if bytes_of(document) == body]
            if not right:
                self.wrong.append(f"{key} is no document's file, byte for byte")
            reports_landed |= {document.report.id for document in right}
        by_number: dict[int, list[Document]] = {}
        for documents_of in made.values():
            for document in documents_of:
                by_number.setdefault(document.report.id, []).append(document)
        for number, of_report in by_number.items():
            self.second += len(of_report) - 1
            if number in reports_landed:
                self.landed += 1
            elif any(document.outcome == "failed" for document in of_report):
                self.failed_in_clarus += 1
            else:
                self.wrong.append(f"{prefix}: report {number} did not land")

    def check_reasons(self, logs: Path, seconds: Mapping[str, list[int]]) -> None:
        """Each second generation has its reason in the log of one of its task's tries."""
        for name, map_indexes in seconds.items():
            dag_id, task_id = name.split(".")
            for index in map_indexes:
                pattern = f"dag_id={dag_id}/run_id=*/task_id={task_id}/map_index={index}/attempt=*.log*"
                texts = [path.read_text(errors="replace") for path in logs.glob(pattern)]
                if not any(REASONS.search(text) for text in texts):
                    self.wrong.append(f"{name}[{index}] generated twice, and no log says why")

    def check_leftovers(self, client: Any, bucket: str, machines: Path) -> None:
        """No upload is unfinished, and no file of ours is left in a temporary folder."""
        for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            self.wrong.append(f"an upload of {upload['Key']} is left unfinished")
        for path in machines.glob("*/tmp/**/*"):
            if "clarus" in path.name:
                self.wrong.append(f"{path} is left")


def bytes_of(document: Document) -> bytes:
    """Return a document's file."""
    return b"".join(document.content.chunks(0, document.content.size))


def s3(endpoint: str, key: str, secret: str) -> Any:
    """Return a client of the storage."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
    )
