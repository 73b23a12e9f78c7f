# SPDX-License-Identifier: Apache-2.0
"""graphql-ruby's own limits: it counts the page size that is asked for, and may hide its schema."""

from __future__ import annotations

import pytest

from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.hooks.clarus import ClarusHook
from tests.reference.conftest import ReferenceServed

COUNT = 100


@pytest.mark.parametrize("introspection", [True, False])
@pytest.mark.parametrize("max_complexity", [600, 60, 12])
def test_documents_are_found_whatever_a_query_may_cost(
    max_complexity: int, introspection: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ReferenceServed(reports=[], max_complexity=max_complexity, introspection=introspection) as clarus:
        clarus.add(id=7, seconds=0)
        monkeypatch.setenv("AIRFLOW_CONN_CLARUS_DEFAULT", clarus.connection_json)
        hook = ClarusHook()
        ids = [hook.generate_report(7).id for _ in range(COUNT)]
        assert hook.get_document(ids[0])
        found: set[int] = set()
        for _ in range(10):
            # A size that is refused shrinks from one look to the next.
            try:
                found |= set(hook.get_documents(ids))
            except ClarusTransientError:
                continue
        assert found == set(ids)
        before = clarus.count("/graphql")
        assert len(hook.get_documents(ids)) == COUNT
        print(f"\ncomplexity {max_complexity}: {clarus.count('/graphql') - before} requests for {COUNT}")
        working, words = hook.test_connection()
        assert working, words
