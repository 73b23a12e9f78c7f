# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from airflow.models.connection import Connection

from airflow_provider_clarus.sandbox.faults import Fault
from airflow_provider_clarus.sandbox.reports import Report
from airflow_provider_clarus.sandbox.server import Sandbox

from .caller import Caller


def test_connection_means_the_same_as_uri_and_as_json() -> None:
    with Sandbox(client_id="a/b", client_secret="c@d:e/%f") as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        expected = ("clarus", "http://127.0.0.1", port, "acme", "a/b", "c@d:e/%f")
        for connection in (
            Connection(conn_id="clarus", uri=sandbox.connection_uri),
            Connection.from_json(sandbox.connection_json, conn_id="clarus"),
        ):
            assert expected == (
                connection.conn_type,
                connection.host,
                connection.port,
                connection.schema,
                connection.login,
                connection.password,
            )
            assert connection.get_uri() == sandbox.connection_uri


def test_every_request_is_logged(sandbox: Sandbox, caller: Caller, document: int) -> None:
    caller.graphql(filter={"id": {"eq": "1"}})
    requests.get(caller.file_url(document), timeout=5)
    query, download, file = sandbox.requests
    assert [query.endpoint, download.endpoint, file.endpoint] == ["graphql", "download", "file"]
    assert [query.origin, file.origin] == ["api", "files"]
    assert query.at <= download.at <= file.at <= time.time()
    assert query.json["variables"] == {"filter": {"id": {"eq": "1"}}}
    assert query.headers["authorization"].startswith("Bearer ")
    assert (download.method, download.path, download.status) == ("GET", "/api/documents/1/download", 200)
    assert not {"authorization", "x-clarus-subdomain"} & file.headers.keys()
    assert file.bytes_sent == sandbox.documents[document].content.size
    assert sandbox.count("graphql") == 1


def test_log_is_served_without_secrets(sandbox: Sandbox, caller: Caller, document: int) -> None:
    form = {"grant_type": "client_credentials", "client_secret": sandbox.client_secret}
    requests.post(f"{sandbox.url}/oauth/token", data=form, timeout=5)
    url = caller.file_url(document)
    requests.get(url, timeout=5)
    answer = requests.get(f"{sandbox.url}/sandbox/requests", timeout=5)
    assert [request["endpoint"] for request in answer.json()] == ["token", "download", "file"]
    assert answer.json()[1]["headers"]["authorization"] == "***"
    secrets = [sandbox.client_secret, caller.headers["Authorization"].split()[1], url.partition("?")[2]]
    assert not [secret for secret in secrets if secret in answer.text]
    assert len(sandbox.requests) == 3


def test_leaves_nothing_behind_even_with_answers_under_way() -> None:
    before = threading.active_count()
    with Sandbox([Report(id=7, seconds=0, size=100_000_000)]) as sandbox, Caller(sandbox) as caller:
        sandbox.inject(Fault("graphql", delay=60))
        with pytest.raises(requests.Timeout):
            caller.post(f"{sandbox.url}/graphql", timeout=0.1)
        unread = requests.get(caller.file_url(caller.generated()), stream=True, timeout=5)
        start = time.monotonic()
    assert time.monotonic() - start < 2
    assert threading.active_count() == before
    unread.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=5)


def test_comes_back_at_the_same_address_with_everything_it_had() -> None:
    sandbox = Sandbox([Report(id=7)])
    with sandbox, Caller(sandbox) as caller:
        url, document = sandbox.url, caller.generated()
    with pytest.raises(requests.ConnectionError, match="refused"):
        caller.graphql()
    with sandbox:
        assert sandbox.url == url
        assert caller.ids() == [document]


def test_hundred_of_ten_thousand_documents(sandbox: Sandbox, caller: Caller) -> None:
    ids = sandbox.add_documents(10_000, 7)
    assert caller.ids(id={"in": [str(number) for number in ids[::100]]}) == ids[::100]
    assert caller.ids(id={"gt": str(ids[-3])}) == ids[-2:]


def test_command_prints_how_to_connect_and_ends_on_sigterm(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    options = ["--tenant=north", "--tenant=south", "--report=8", f"--log={log}"]
    command = [sys.executable, "-m", "airflow_provider_clarus.sandbox", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            lines = [process.stdout.readline() for _ in range(3)]
            url = re.search(r"http://127\.0\.0\.1:\d+", lines[0]).group()  # type: ignore[union-attr]
            uri = f"clarus://http://clarus-client:sandbox-secret@{url.removeprefix('http://')}/north"
            assert lines[2] == f"export AIRFLOW_CONN_CLARUS_DEFAULT='{uri}'\n"
            assert requests.post(f"{url}/graphql", timeout=5).status_code == 401
            client = {"client_id": "clarus-client", "client_secret": "sandbox-secret"}
            answer = requests.post(
                f"{url}/oauth/token", {"grant_type": "client_credentials", **client}, timeout=5
            )
            for tenant in ("north", "south"):
                headers = {
                    "Authorization": f"Bearer {answer.json()['access_token']}",
                    "X-Clarus-Subdomain": tenant,
                }
                assert requests.post(f"{url}/api/reports/8/generate", headers=headers, timeout=5).ok
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr
        assert process.stderr.read() == ""
    endpoints = [json.loads(line)["endpoint"] for line in log.read_text().splitlines()]
    assert endpoints == ["graphql", "token", "generate", "generate"]
