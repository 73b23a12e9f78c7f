# SPDX-License-Identifier: Apache-2.0
"""What client, hook, operators and login do, of record: the same against the sandbox and against Rails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import (
    ClarusAuthError,
    ClarusForbiddenError,
    ClarusNotFoundError,
    ClarusReportFailedError,
)
from airflow_provider_clarus.hooks.clarus import ClarusHook
from airflow_provider_clarus.operators.document import ClarusDownloadDocumentOperator
from airflow_provider_clarus.operators.report import ClarusGenerateReportOperator
from airflow_provider_clarus.sensors.document import ClarusDocumentSensor
from airflow_provider_clarus.transfers.clarus_to_object_storage import ClarusReportToObjectStorageOperator
from tests.integration.tasks import context, run
from tests.reference.conftest import ReferenceServed, SandboxServed, Served

_ids = count(100)


def report(clarus: Served, **fields: Any) -> int:
    """Add a report, ready at once unless told otherwise."""
    number = next(_ids)
    clarus.add(**{"id": number, "seconds": 0, **fields})
    return number


def test_the_test_button_is_content(clarus: Served) -> None:
    assert ClarusHook().test_connection()[0]


def test_a_report_is_queued_and_read_one_by_one_and_many_at_a_time(clarus: Served) -> None:
    number, hook = report(clarus), ClarusHook()
    made = [hook.generate_report(number, {"account_id": [1, 2]}) for _ in range(120)]
    assert made[0].id < made[-1].id
    assert hook.get_document(made[0].id).status is DocumentStatus.AVAILABLE
    found = hook.get_documents([document.id for document in made] + [10**9])
    assert sorted(found) == sorted(document.id for document in made)
    assert all(document.file_name for document in found.values())


def test_a_document_that_is_not_there_is_none(clarus: Served) -> None:
    assert ClarusHook().get_document(10**9) is None


def test_statuses(clarus: Served) -> None:
    hook = ClarusHook()
    for outcome, status in {"completed": "available", "failed": "failed", "available": "available"}.items():
        document = hook.generate_report(report(clarus, outcome=outcome))
        assert hook.get_document(document.id).status.value == status
    waiting = hook.generate_report(report(clarus, seconds=10**6))
    assert hook.get_document(waiting.id).status in (DocumentStatus.QUEUED, DocumentStatus.PROCESSING)


def test_refusals_are_errors_of_their_own_class(clarus: Served) -> None:
    hook = ClarusHook()
    with pytest.raises(ClarusForbiddenError) as forbidden:
        hook.generate_report(report(clarus, owner="someone"))
    assert (forbidden.value.status, forbidden.value.symbol) == (403, "forbidden")
    with pytest.raises(ClarusNotFoundError) as missing:
        hook.generate_report(10**6)
    assert (missing.value.status, missing.value.symbol) == (404, "not_found")


def test_a_wrong_secret_is_refused_by_the_token_endpoint(
    clarus: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = json.loads(clarus.connection_json) | {"password": "wrong"}
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", json.dumps(wrong))
    with pytest.raises(ClarusAuthError, match="client ID"):
        ClarusHook().get_document(1)


def test_a_token_that_was_ended_is_renewed(clarus: Served) -> None:
    hook = ClarusHook()
    hook.get_document(1)
    clarus.revoke_tokens()
    assert hook.graphql("{ __typename }") == {"__typename": "Query"}


@pytest.mark.parametrize("kind", [SandboxServed, ReferenceServed])
def test_a_secret_of_any_letters_is_taken(
    kind: type[SandboxServed] | type[ReferenceServed], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "with +%:&=@ and ü"
    with kind(client_secret=secret) as clarus:
        fields = json.loads(clarus.connection_json) | {"password": secret}
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", json.dumps(fields))
        assert ClarusHook().graphql("{ __typename }")


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferred"])
def test_three_tasks_and_one_task_land_the_same(clarus: Served, tmp_path: Path, deferrable: bool) -> None:
    number = report(clarus, seconds=0.5)
    document_id = ClarusGenerateReportOperator(task_id="generate", report_id=number).execute(context())
    sensor = {"document_id": document_id, "poke_interval": 0.2, "timeout": 20, "deferrable": deferrable}
    waited = run(lambda: ClarusDocumentSensor(task_id="wait", **sensor))
    assert (waited["id"], waited["status"]) == (document_id, "available")
    landed = ClarusDownloadDocumentOperator(
        task_id="land", document_id=document_id, destination=f"file://{tmp_path}/three/"
    ).execute(context())
    assert landed["size"] == Path(landed["uri"].removeprefix("file://")).stat().st_size > 0
    arguments = {"report_id": number, "poll_interval": 0.2, "timeout": 20, "deferrable": deferrable}
    one = run(
        lambda: ClarusReportToObjectStorageOperator(
            task_id="all", destination=f"file://{tmp_path}/one/", **arguments
        )
    )
    assert (tmp_path / "one" / one["file_name"]).stat().st_size == one["size"]


def test_a_failed_report_fails_its_task(clarus: Served) -> None:
    number = report(clarus, outcome="failed")
    operator = ClarusGenerateReportOperator(task_id="generate", report_id=number, wait_for_completion=True)
    with pytest.raises(ClarusReportFailedError) as failed:
        operator.execute(context())
    assert failed.value.document_id


def test_login_prints_a_connection_that_works_and_refreshes(
    clarus: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "airflow_provider_clarus.login", "--host", clarus.url]
    command += ["--tenant", "acme", "--client-id", clarus.client_id, "--scope", "openid"]
    env = {**os.environ, "CLARUS_CLIENT_SECRET": clarus.client_secret, "BROWSER": "true"}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=env, text=True, **pipes) as process:
        assert process.stderr
        for line in process.stderr:
            if address := re.search(r"http://\S+/oauth/authorize\S+", line):
                assert "Back to the terminal" in requests.get(address[0], timeout=30).text
                break
        said, words = process.communicate(timeout=60)
        assert process.returncode == 0, words
    monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", said.splitlines()[-2])
    hook = ClarusHook()
    number = report(clarus, owner="clarus-user")
    assert hook.generate_report(number).id
    clarus.revoke_tokens()
    assert ClarusHook().generate_report(number).id
