# SPDX-License-Identifier: Apache-2.0
"""How a wait ends that has taken too long."""

from __future__ import annotations

import re
import time

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_clarus.api.models import Document
from airflow_provider_clarus.exceptions import (
    ClarusTimeoutError,
)
from airflow_provider_clarus.sandbox.faults import HTML_ERROR, Fault
from airflow_provider_clarus.sandbox.server import Sandbox
from airflow_provider_clarus.waiting import _tenant, watch
from tests.integration.waiting.waits import NEVER, asked, kinds, outcomes, polls, wait_for


def test_a_deadline_has_one_last_look(clarus: Sandbox) -> None:
    late, never = clarus.add_documents(2, NEVER)
    clarus.documents[late].seconds = 0.9
    deadline = time.time() + 1
    results = outcomes(wait_for(late, interval=60, timeout=1), wait_for(never, interval=60, timeout=1))
    assert kinds(results) == [Document, ClarusTimeoutError]
    assert re.search(
        rf"Document {never} in tenant 'acme' was not available after \d+ s; its last status was 'processing'",
        str(results[1]),
    )
    assert isinstance(results[1], AirflowSensorTimeout)
    assert len(polls(clarus)) <= 2
    assert polls(clarus)[-1].at >= deadline


def test_a_deadline_that_passed_while_the_triggerer_was_down_has_a_last_look_too(clarus: Sandbox) -> None:
    available, never = *clarus.add_documents(1, 7), *clarus.add_documents(1, NEVER)
    clarus.documents[available].seconds = 0
    assert kinds(outcomes(wait_for(available, timeout=-60), wait_for(never, timeout=-60))) == [
        Document,
        ClarusTimeoutError,
    ]


def test_a_last_look_that_fails_says_why(clarus: Sandbox) -> None:
    (document_id,) = clarus.add_documents(1, NEVER)
    clarus.inject(Fault("graphql", status=502, body=HTML_ERROR))
    (error,) = outcomes(wait_for(document_id, timeout=0.5))
    assert isinstance(error, ClarusTimeoutError)
    assert "'not seen yet'. The last look at it failed: " in str(error)
    assert "502 Bad Gateway" in str(error)


def test_a_back_off_yields_to_a_last_look(clarus: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tenant, "FIRST_REST", 60.0)
    monkeypatch.setattr(_tenant, "LONGEST_REST", 60.0)
    (document_id,) = clarus.add_documents(1, 7)
    clarus.inject(
        Fault("graphql", status=502, times=2)
    )  # The look, and the question whether it is an outage: both in time on a busy machine, too.
    assert kinds(outcomes(wait_for(document_id, timeout=4))) == [Document]


def test_a_retry_after_does_not_outlast_a_deadline(clarus: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LAST_LOOK", 1.5)
    hasty, patient = clarus.add_documents(2, 7)
    clarus.inject(Fault("graphql", status=429, headers={"Retry-After": "3"}, times=1))
    timeout, document = outcomes(wait_for(hasty, timeout=0.5), wait_for(patient))
    assert isinstance(timeout, ClarusTimeoutError)
    assert "429" in str(timeout)
    assert document.id == patient
    assert [len(asked(request)) for request in polls(clarus)] == [2, 1]
