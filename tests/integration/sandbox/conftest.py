# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_clarus.sandbox.server import Sandbox

from .caller import Caller


@pytest.fixture
def caller(sandbox: Sandbox) -> Iterator[Caller]:
    with Caller(sandbox) as caller:
        yield caller


@pytest.fixture
def document(sandbox: Sandbox) -> int:
    """A document of report 7 that is available."""
    (document_id,) = sandbox.add_documents(1, 7)
    sandbox.documents[document_id].seconds = 0
    return document_id
