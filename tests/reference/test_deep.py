# SPDX-License-Identifier: Apache-2.0
"""``check --deep`` on a server of Rails' libraries: what is inferred of Clarus holds there, too."""

from __future__ import annotations

import pytest

from airflow_provider_clarus.__main__ import main
from tests.reference.conftest import Served


def test_what_is_assumed_of_clarus(clarus: Served, capfd: pytest.CaptureFixture[str]) -> None:
    clarus.add(id=61, seconds=0, name="Geheim")
    main(["check", "--deep", "--generate", "61"])
    printed = capfd.readouterr().out
    for secret in (clarus.client_secret, clarus.client_id, clarus.tenant, "Geheim", clarus.url[7:]):
        assert secret not in printed
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| ")][1:]
    print(printed)
    # Files are Amazon's affair, and the sandbox's times have whole seconds.
    otherwise = {point for point, _, _, verdict in rows if verdict == "otherwise"}
    assert otherwise <= {"a file", "times"}
    assert len(rows) == 16
    assert sum(verdict == "as assumed" for *_, verdict in rows) >= 11
