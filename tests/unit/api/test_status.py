# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_clarus.api.status import DocumentStatus


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("queued", DocumentStatus.QUEUED),
        ("processing", DocumentStatus.PROCESSING),
        ("available", DocumentStatus.AVAILABLE),
        ("AVAILABLE", DocumentStatus.AVAILABLE),
        ("completed", DocumentStatus.AVAILABLE),
        ("Completed", DocumentStatus.AVAILABLE),
        ("failed", DocumentStatus.FAILED),
        ("FAILED", DocumentStatus.FAILED),
        ("archived", DocumentStatus.UNKNOWN),
        ("", DocumentStatus.UNKNOWN),
        (None, DocumentStatus.UNKNOWN),
        (3, DocumentStatus.UNKNOWN),
    ],
)
def test_every_word_means_a_status(word: object, status: DocumentStatus) -> None:
    assert DocumentStatus.parse(word) is status
