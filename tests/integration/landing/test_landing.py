# SPDX-License-Identifier: Apache-2.0
"""What each store shows while a file lands, after it has, and after whatever keeps it from it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_clarus.exceptions import ClarusTransientError
from airflow_provider_clarus.landing._files import PARTIAL
from airflow_provider_clarus.sandbox.faults import Fault

from .conftest import Destination, Served, sha256
from .origin import Answer, Origin
from .proxy import RefusingProxy

MIB = 1024 * 1024
Serve = Callable[[int], Served]

#: Where a killed process leaves something; Azure and Google keep it to themselves, and forget it.
NO_MD5 = f'"{"0" * 32}"'
LEAVES = ("local", "seaweedfs", "moto")

pytestmark = pytest.mark.usefixtures("no_pauses", "small_requests")


@pytest.mark.parametrize(
    "size", [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, pytest.param(64 * MIB, marks=pytest.mark.long)]
)
def test_a_file_lands_whole(destination: Destination, serve: Serve, size: int) -> None:
    file = serve(size)
    landed = destination.land(file.get_url)
    assert (landed.uri, landed.size, landed.sha256) == (destination.uri, size, sha256(file.content))
    assert destination.shown() == {"report.csv": file.content}


def test_a_rerun_ends_in_the_same_state(destination: Destination, serve: Serve) -> None:
    file = serve(9 * MIB)
    assert destination.land(file.get_url) == destination.land(file.get_url)
    assert destination.shown() == {"report.csv": file.content}


@settings(
    max_examples=min(6, settings().max_examples), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 9 * MIB), max_size=4), content_length=st.booleans())
def test_a_stream_cut_anywhere_is_read_on(
    destination: Destination, serve: Serve, cuts: list[int], content_length: bool
) -> None:
    file = serve(9 * MIB)
    file.sandbox.clear_faults()
    for cut_at in cuts:
        file.sandbox.inject(Fault("file", cut_at=cut_at, content_length=content_length, times=1))
    destination.land(file.get_url)
    assert destination.shown() == {"report.csv": file.content}


def test_a_url_that_expires_in_the_middle_is_asked_for_again(destination: Destination, serve: Serve) -> None:
    file = serve(9 * MIB)
    urls = []

    def get_url() -> str:
        urls.append(file.get_url())
        return urls[-1]

    refused = Fault("file", status=403, body="<Error><Code>AccessDenied</Code></Error>", times=1)
    file.sandbox.inject(Fault("file", cut_at=5 * MIB, times=1))
    file.sandbox.inject(refused)
    destination.land(get_url)
    assert len(urls) == 2
    assert destination.shown() == {"report.csv": file.content}


def test_an_object_that_changes_in_the_middle_is_read_from_its_start(
    destination: Destination, serve: Serve, old: dict[str, bytes]
) -> None:
    file = serve(20 * MIB)
    document = file.sandbox.documents[file.id]
    file.sandbox.inject(Fault("file", cut_at=17 * MIB, times=1))
    file.sandbox.inject(Fault("file", before=document.change_content, times=1))
    landed = destination.land(file.get_url)
    assert landed.sha256 == sha256(file.content)
    assert destination.shown() == {"report.csv": file.content}


def test_while_it_lands_the_older_object_shows(destination: Destination, old: dict[str, bytes]) -> None:
    with Origin(os.urandom(20 * MIB), pause_at=18 * MIB) as origin:
        landing = threading.Thread(target=destination.land, args=[lambda: origin.url])
        landing.start()
        assert origin.paused.wait(30)
        assert visible(destination) == old
        origin.resume()
        landing.join()
        assert destination.shown() == {"report.csv": origin.body}


def test_a_damaged_file_is_not_published(destination: Destination, old: dict[str, bytes]) -> None:
    damaged = [Answer(200, os.urandom(20 * MIB), {"ETag": NO_MD5}) for _ in range(2)]
    with Origin(b"", *damaged) as origin, pytest.raises(ClarusTransientError, match="MD5"):
        destination.land(lambda: origin.url)
    assert destination.shown() == old


def test_an_etag_that_is_no_md5_is_told_by_a_second_read(destination: Destination) -> None:
    with Origin(os.urandom(20 * MIB), etag=NO_MD5) as origin:
        landed = destination.land(lambda: origin.url)
    assert landed.sha256 == sha256(origin.body)
    assert destination.shown() == {"report.csv": origin.body}


def test_a_stream_that_stays_broken_leaves_the_older_object(
    destination: Destination, serve: Serve, old: dict[str, bytes]
) -> None:
    file = serve(20 * MIB)
    file.sandbox.inject(Fault("file", cut_at=17 * MIB, times=1))
    file.sandbox.inject(Fault("file", reset=True))
    with pytest.raises(ClarusTransientError, match="broke 8 times in a row"):
        destination.land(file.get_url)
    assert destination.shown() == old


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_ends_in_the_middle_leaves_the_older_object(
    destination: Destination, old: dict[str, bytes], how: signal.Signals
) -> None:
    """SIGKILL leaves no time; SIGINT is an exception anywhere, as Airflow's when a task is cancelled."""
    with Origin(os.urandom(20 * MIB), pause_at=18 * MIB) as origin:
        child = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("child.py"), origin.url, destination.uri]
        )
        try:
            assert origin.paused.wait(60)
            wait_until(lambda: leftovers(destination) or destination.store.name not in LEAVES)
            child.send_signal(how)
            assert child.wait(30) != 0
        finally:
            child.kill()
            child.wait()
        assert visible(destination) == old
        assert bool(leftovers(destination)) == (how == signal.SIGKILL and destination.store.name in LEAVES)
        origin.resume()
        destination.land(lambda: origin.url)
        assert destination.shown() == {"report.csv": origin.body}
        assert not leftovers(destination)


def test_a_store_that_refuses_in_the_middle_keeps_the_older_object(
    destination: Destination, old: dict[str, bytes], refusing: Destination
) -> None:
    with (
        Origin(os.urandom(40 * MIB)) as origin,
        pytest.raises(Exception, match=r"(?i)refus|too large|forbidden|denied"),
    ):
        refusing.land(lambda: origin.url)
    assert destination.shown() == old
    assert not leftovers(destination)


@pytest.fixture
def refusing(destination: Destination, monkeypatch: pytest.MonkeyPatch) -> Iterator[Destination]:
    """The same destination, in a store that takes no more than 20 MiB from now on."""
    store = destination.store
    if store.name == "local":
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20 * MIB, hard))
        yield destination
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        return
    with RefusingProxy(store.endpoint, after=20 * MIB) as proxy:
        name = f"refusing_{store.name}"
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{name.upper()}", store.connection.replace(store.endpoint, proxy.url)
        )
        yield Destination(store, destination.folder.replace(f"{store.name}@", f"{name}@"))


def visible(destination: Destination) -> dict[str, bytes]:
    """What a reader of reports sees: on a file system, a file in the making is told by its name."""
    return {name: content for name, content in destination.shown().items() if not is_partial(name)}


def is_partial(name: str) -> bool:
    return name.startswith(".report.csv.") and name.endswith(PARTIAL)


def leftovers(destination: Destination) -> list[str]:
    """Partial files, and S3's unfinished uploads, which it keeps until somebody looks."""
    fs = destination.path.fs
    if not hasattr(fs, "call_s3"):
        return [name for name in destination.shown() if is_partial(name)]
    found = fs.call_s3("list_multipart_uploads", Bucket="landing").get("Uploads", [])
    return [upload["Key"] for upload in found if upload["Key"] in destination.path.path]


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
