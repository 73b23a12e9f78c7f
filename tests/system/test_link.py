# SPDX-License-Identifier: Apache-2.0
"""The link from a landing task to its object, in a real Airflow 3, and its picture in a browser.

With ``CLARUS_SCREENSHOT_LINK=docs/landed-object.png`` it renews the picture in docs/landing.md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from airflow_provider_clarus.demo.local_airflow import LocalAirflow
from airflow_provider_clarus.sandbox.server import Sandbox
from tests.integration.landing import stores
from tests.system.browser import chromium, wait_for
from tests.system.conftest import AIRFLOW_2, DAGS

pytestmark = pytest.mark.long


@pytest.fixture
def airflow(tmp_path: Path, clarus: Sandbox) -> Iterator[LocalAirflow]:
    """One whose storage is found by the environment alone: an endpoint in the connection has no console."""
    if AIRFLOW_2:
        pytest.skip("LocalAirflow starts the components of Airflow 3")
    dags, moto = tmp_path / "dags", tmp_path / "moto"
    dags.mkdir()
    moto.mkdir()
    shutil.copy(DAGS / "linked.py", dags)
    with stores.moto(moto) as s3:
        plain = json.loads(s3.connection or "")
        del plain["extra"]["endpoint_url"]
        env = {
            "AIRFLOW_CONN_CLARUS_DEFAULT": clarus.connection_uri,
            "AIRFLOW_CONN_AWS_PLAIN": json.dumps(plain),
            "AWS_ENDPOINT_URL": s3.endpoint,
        }
        with LocalAirflow(tmp_path / "airflow", dags_folder=dags, env=env) as airflow:
            yield airflow


def shows(airflow: LocalAirflow, instance: str, name: str) -> bool:
    """Tell whether a task's rendered fields have the name of its document."""
    return bool(airflow.call("GET", instance)["rendered_fields"]["file_name"] == name)


def test_mapped_and_retried_tasks_lead_to_their_objects(
    airflow: LocalAirflow, clarus: Sandbox, tmp_path: Path
) -> None:
    documents = clarus.add_documents(2, 7)
    for document_id in documents:
        clarus.documents[document_id].seconds = 0
    run_id = airflow.trigger("linked", documents=documents)
    landed = [task for task in airflow.wait("linked", run_id, timeout=240) if task.task_id == "land"]
    assert {(task.state, task.try_number) for task in landed} == {("success", 2)}

    task = f"dags/linked/dagRuns/{run_id}/taskInstances/land"
    for index, document_id in enumerate(documents):
        name = clarus.documents[document_id].file_name
        links = airflow.call("GET", f"{task}/links", params={"map_index": index})["extra_links"]
        assert links == {
            "Landed object": f"https://console.aws.amazon.com/s3/object/landing?prefix=linked%2F{name}"
        }

    with chromium(tmp_path / "chromium", size="1200,1000") as browser:
        browser.get(f"{airflow.url}/dags/linked/runs/{quote(run_id)}/tasks/land/mapped/1/details")
        link = wait_for(browser, lambda: browser.find_element("css selector", "a[href*='s3/object']"))
        assert (link.text, link.get_attribute("href")) == ("Landed object", links["Landed object"])
        # The document's own name is known when the task has run, and is shown a little after it has ended.
        for index, document_id in enumerate(documents):
            wait_for(
                browser, partial(shows, airflow, f"{task}/{index}", clarus.documents[document_id].file_name)
            )
        if picture := os.environ.get("CLARUS_SCREENSHOT_LINK"):
            browser.save_screenshot(picture)
