# SPDX-License-Identifier: Apache-2.0
"""The request as a raw socket sees it, byte for byte."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from airflow_provider_clarus.landing._download import Download

REPOSITORY = Path(__file__).parents[3]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\na,b"

TARGETS = [
    "//lead.csv",
    "/a//b.csv",
    "/a/./x",
    "/a/../b",
    "/..",
    "/a%2fb%2Fc.csv",
    "/a+b c.csv".replace(" ", "%20"),
    "/why%3Fnot%23.csv",
    "/%2e%2e/a/%2E/b",
    "///a///",
    "/a;v=1/b;x",
    "/%C3%A9%zz%",
    "/stock.",
    "/stock.csv/",
    "/%7euser/~user",
    "/b!c'd(e)f*g,h;i=j:k@l$m&n",
    "/é.csv".encode().decode("latin-1").encode("ascii", "xmlcharrefreplace").decode().replace("#", "%23"),
    "/a?X-Amz-Signature=s&x=%2f+%20~&response-content-disposition=attachment%3B%20filename%3D%22a%22",
    "/a?",
    "/a?x=a/../b//c?d",
    '/[a]{b}|c^d`e"f<g>',
]


@contextmanager
def raw_server() -> Iterator[tuple[int, list[bytes]]]:
    """Answer each request, and keep it as it came."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connected, _ = listener.accept()
                except OSError:
                    return
                with connected:
                    request = b""
                    while not request.endswith(b"\r\n\r\n") and (read := connected.recv(65536)):
                        request += read
                    seen.append(request)
                    connected.sendall(ANSWER)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], seen
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def fetch(url: str, **options: object) -> bytes:
    settings = {"verify": True, "proxies": None, "timeout": 5.0, "log": logging.getLogger("test"), **options}
    return b"".join(Download(lambda: url, **settings).chunks())  # type: ignore[arg-type]


@pytest.mark.parametrize("target", TARGETS)
def test_a_url_goes_out_as_it_was_given(target: str) -> None:
    with raw_server() as (port, seen):
        assert fetch(f"http://127.0.0.1:{port}{target}") == b"a,b"
    lines = seen[0].split(b"\r\n")
    assert lines[0] == f"GET {target} HTTP/1.1".encode()
    assert [line for line in lines if line.startswith(b"Host:")] == [f"Host: 127.0.0.1:{port}".encode()]


def test_a_host_goes_out_as_it_was_given() -> None:
    with raw_server() as (port, seen):
        assert fetch(f"http://user:word@LocalHost:{port}?x=%2f#part") == b"a,b"
    assert seen[0].startswith(b"GET /?x=%2f HTTP/1.1\r\n")
    assert f"\r\nHost: LocalHost:{port}\r\n".encode() in seen[0]
    assert b"Authorization" not in seen[0]


@pytest.mark.parametrize("target", TARGETS)
def test_a_proxy_is_given_the_url_as_it_was_given(target: str) -> None:
    with raw_server() as (port, seen):
        url = f"http://files.example.com{target}"
        assert fetch(url, proxies={"http": f"http://127.0.0.1:{port}"}, allow_http=True) == b"a,b"
    assert seen[0].startswith(f"GET {url} HTTP/1.1\r\n".encode())


@pytest.fixture(scope="module")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the oldest requests and urllib3 that this package allows."""
    folder = tmp_path_factory.mktemp("oldest")
    # Python 3.10 has no tomllib.
    declared = re.findall('"(requests|urllib3)>=([0-9.]+)"', (REPOSITORY / "pyproject.toml").read_text())
    wanted = [f"{name}=={version}" for name, version in declared]
    assert len(wanted) == 2
    options = ["--quiet", "--no-deps", "--target", str(folder), *wanted]
    if find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", *options]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", sys.executable, *options]
    else:
        pytest.skip("needs pip or uv")
    installed = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if installed.returncode and "CI" not in os.environ:
        pytest.skip(f"could not install {wanted}: {installed.stderr[-300:]}")
    assert installed.returncode == 0, installed.stderr
    return folder


@pytest.mark.long
def test_so_it_does_on_the_oldest_requests(oldest: Path) -> None:
    """The newest is the one with which all tests run: .ci/constraints.txt."""
    program = f"""
import sys
import requests, urllib3
for library in (requests, urllib3):
    assert library.__file__.startswith({str(oldest)!r})
from tests.integration.landing import test_wire as wire
for target in wire.TARGETS:
    wire.test_a_url_goes_out_as_it_was_given(target)
    wire.test_a_proxy_is_given_the_url_as_it_was_given(target)
wire.test_a_host_goes_out_as_it_was_given()
print(len(wire.TARGETS), requests.__version__, urllib3.__version__)
"""
    path = os.pathsep.join([str(oldest), str(REPOSITORY)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{len(TARGETS)} 2.32")
