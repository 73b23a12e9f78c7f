# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging

import pytest

from airflow_provider_clarus.api.models import MISSING_GRACE, Document
from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import ClarusNotFoundError, ClarusReportFailedError
from airflow_provider_clarus.waiting._waiter import LONGEST_PAUSE, pause
from airflow_provider_clarus.waiting.watch import Watch

QUEUED, READY, FAILED = (
    Document(5, status) for status in (DocumentStatus.QUEUED, DocumentStatus.AVAILABLE, DocumentStatus.FAILED)
)


@pytest.fixture
def watch() -> Watch:
    return Watch(5, since=0.0, deadline=3600.0)


def look(watch: Watch, document: Document | None, now: float) -> Document | None:
    return watch.take(document, tenant="acme", now=now)


def test_only_an_available_document_ends_the_wait(watch: Watch) -> None:
    assert look(watch, QUEUED, 1.0) is None
    assert look(watch, READY, 2.0) == READY


def test_a_failed_document_is_an_error(watch: Watch) -> None:
    with pytest.raises(ClarusReportFailedError, match="document 5 in tenant 'acme'"):
        look(watch, FAILED, 1.0)


def test_absence_is_counted_from_the_first_look_that_missed_the_document(watch: Watch) -> None:
    assert look(watch, QUEUED, 0.0) is None
    assert look(watch, None, 1000.0) is None
    assert look(watch, None, 1000.0 + MISSING_GRACE) is None
    with pytest.raises(ClarusNotFoundError, match="has not been for 121 s"):
        look(watch, None, 1001.0 + MISSING_GRACE)


def test_two_looks_that_are_far_apart_tell_nothing_of_the_time_between(watch: Watch) -> None:
    """As with a ``poke_interval`` of five minutes."""
    assert look(watch, None, 6.0) is None
    assert look(watch, None, 306.0) is None
    with pytest.raises(ClarusNotFoundError, match="has not been for 600 s"):
        look(watch, None, 606.0)


def test_an_outage_is_no_absence(watch: Watch) -> None:
    assert look(watch, None, 6.0) is None
    assert look(watch, None, 16.0) is None
    watch.count_anew()  # A look that was not answered.
    for now in (190.0, 200.0, 190.0 + MISSING_GRACE):
        assert look(watch, None, now) is None
    with pytest.raises(ClarusNotFoundError, match="has not been for 121 s"):
        look(watch, None, 191.0 + MISSING_GRACE)


def test_a_document_that_comes_back_has_its_grace_again(watch: Watch) -> None:
    for now, document in ((0.0, None), (100.0, QUEUED), (200.0, None), (300.0, None)):
        assert look(watch, document, now) is None


def test_each_change_of_state_is_logged_once(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for document in (QUEUED, QUEUED, None, QUEUED, READY):
        look(watch, document, 1.0)
    assert caplog.messages == [
        "Document 5 in tenant 'acme': not seen yet -> queued",
        "Document 5 in tenant 'acme': queued -> available",
    ]


def test_a_timeout_says_how_long_and_how_far(watch: Watch) -> None:
    look(watch, QUEUED, 1.0)
    said = str(watch.timed_out("acme", 3600.0, " The last look at it failed: 502."))
    assert "Document 5 in tenant 'acme' was not available after 3600 s; its last status was 'queued'." in said
    assert "The last look at it failed: 502." in said


def test_young_documents_are_looked_at_often_and_old_ones_rarely() -> None:
    ages = range(0, 7200, 10)
    pauses = [pause(5, age) for age in ages]
    assert pauses[0] == 5
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    assert all(later <= max(5, 0.05 * age) for age, later in zip(ages, pauses, strict=True))


def test_a_long_interval_is_kept_to() -> None:
    assert {pause(300, age) for age in (0, 100, 10_000)} == {300}


def test_a_timeout_names_document_tenant_wait_and_last_status() -> None:
    watch = Watch(12, since=0, deadline=60, status="processing")
    message = str(watch.timed_out("acme", 61.4, " It said no."))
    assert message.startswith("Document 12 in tenant 'acme' was not available after 61 s")
    assert "'processing'. It said no. Raise `timeout`" in message
