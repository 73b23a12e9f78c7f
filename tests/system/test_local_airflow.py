# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sqlite3

import requests

from airflow_provider_clarus.demo.local_airflow import LocalAirflow


def test_the_api_server_says_soon_that_its_database_is_locked(
    airflow: LocalAirflow,
) -> None:
    pool = {"name": "small", "slots": 1}
    with sqlite3.connect(airflow.home / "airflow.db", timeout=60, isolation_level=None) as database:
        database.execute("BEGIN IMMEDIATE")
        response = requests.post(f"{airflow.url}/api/v2/pools", json=pool, timeout=30)
        database.execute("ROLLBACK")
    assert (response.status_code, "Database error" in response.text) == (500, True)
    assert airflow.call("POST", "pools", json=pool)["slots"] == 1
