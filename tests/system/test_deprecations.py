# SPDX-License-Identifier: Apache-2.0
"""What this package meets of deprecations in Airflow's own processes fails: the fixture ``airflow`` looks."""

from __future__ import annotations

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from tests.system import deprecations


def test_each_kind_of_deprecation_that_a_task_meets_is_found_in_the_logs(airflow: LocalAirflow) -> None:
    run_id = airflow.trigger("deprecated")
    [task] = airflow.wait("deprecated", run_id, timeout=240)
    assert task.state == "success"
    found = deprecations.met(airflow.logs, by_canary=True)
    assert {category for line in found for category in deprecations.WARNING.findall(line)} == {
        "AirflowProviderDeprecationWarning",
        "DeprecationWarning",
        "FutureWarning",
        "PendingDeprecationWarning",
    }
