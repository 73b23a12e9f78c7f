# SPDX-License-Identifier: Apache-2.0
"""What a server in front of the storage makes of a file: a page in its place, or a packed body."""

from __future__ import annotations

import gzip
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_clarus.exceptions import ClarusRejectedError, ClarusTransientError
from airflow_provider_clarus.landing import _download as download_module
from airflow_provider_clarus.landing._pages import Announced
from airflow_provider_clarus.landing.land import Landed, land

from .conftest import sha256
from .nginx import Nginx, nginx
from .stores import StoreUnavailableError

CSV = Announced("stock.csv", "text/csv")
ROWS = b"".join(b"%d,%s\n" % (number, os.urandom(9).hex().encode()) for number in range(200_000))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Nginx]:
    folder = tmp_path / "nginx"
    folder.mkdir()
    try:
        with nginx(folder) as server:
            yield server
    except StoreUnavailableError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "stock.csv"
    path.write_bytes(b"the older report")
    return path


def land_at(target: Path, url: str, announced: Announced = CSV, **options: Any) -> Landed:
    log = logging.getLogger("test")
    return land(lambda: url, ObjectStoragePath(f"file://{target}"), log=log, announced=announced, **options)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    "path", ["/away/stock.csv", "/xml/stock.csv", "/error/stock.csv", "/json/stock.csv", "/comment.csv"]
)
def test_a_page_is_not_published(server: Nginx, target: Path, path: str) -> None:
    server.put("stock.csv", b"a,b\n")
    server.put("comment.csv", b"\xef\xbb\xbf\n<!-- soon --><html>")
    with pytest.raises(ClarusTransientError, match="page instead of the file"):
        land_at(target, f"{server.url}{path}?X-Amz-Signature=s")
    assert target.read_bytes() == b"the older report"


def test_the_file_lands_when_the_page_has_gone(
    server: Nginx, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("stock.csv", b"a,b\n")
    monkeypatch.setattr(download_module, "_pause", lambda breaks: server.open() or 0.0)
    land_at(target, f"{server.url}/away/stock.csv")
    assert target.read_bytes() == b"a,b\n"


@pytest.mark.parametrize(
    ("name", "content", "announced"),
    [
        ("stock.csv", b"<100 kg,1\n", CSV),
        ("stock.html", b"<!doctype html><html></html>", Announced("stock.html", "text/html")),
        ("stock.xml", b"<?xml version='1.0'?><a/>", Announced("stock.xml", None)),
        ("stock.xlsx", b"PK\x03\x04", Announced("stock.xlsx", None)),
    ],
)
def test_a_report_that_looks_like_a_page_lands(
    server: Nginx, target: Path, name: str, content: bytes, announced: Announced
) -> None:
    server.put(name, content)
    land_at(target, f"{server.url}/{name}", announced)
    assert target.read_bytes() == content


def test_a_packed_body_is_unpacked(server: Nginx, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server.put("stock.csv.gz", gzip.compress(ROWS))
    landed = land_at(target, f"{server.url}/packed/stock.csv")
    assert target.read_bytes() == ROWS
    assert (landed.size, landed.sha256) == (len(ROWS), sha256(ROWS))
    assert "packed as gzip, unasked: it is unpacked" in caplog.text


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("gzip", lambda rows: gzip.compress(gzip.compress(rows))),
        ("gzip", lambda rows: gzip.compress(rows[:99]) + gzip.compress(rows[99:])),
        ("gzip", bytes),
        ("identity", bytes),
        ("aws-chunked", bytes),
    ],
    ids=["x-gzip", "deflate", "twice", "in two members", "not packed", "identity", "aws-chunked"],
)
def test_whatever_it_is_called_the_rows_land(
    server: Nginx, target: Path, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    server.put("stock.csv", pack(ROWS))
    landed = land_at(target, f"{server.url}/called/{coding}/stock.csv")
    assert target.read_bytes() == ROWS
    assert (landed.size, landed.sha256) == (len(ROWS), sha256(ROWS))


def test_what_cannot_be_unpacked_is_not_published(server: Nginx, target: Path) -> None:
    server.put("stock.csv", ROWS)
    with pytest.raises(ClarusRejectedError, match="packed the file as 'br'"):
        land_at(target, f"{server.url}/called/br/stock.csv")
    server.put("stock.csv", gzip.compress(ROWS)[:-9])
    with pytest.raises(ClarusTransientError, match=r"read 3 times, .*ended too early"):
        land_at(target, f"{server.url}/called/gzip/stock.csv")
    assert target.read_bytes() == b"the older report"


def test_a_packed_file_that_was_packed_on_its_way_is_unpacked_once(server: Nginx, target: Path) -> None:
    packed = gzip.compress(ROWS)
    server.put("stock.csv.gz", gzip.compress(packed))
    land_at(target, f"{server.url}/packed/stock.csv", Announced("stock.csv.gz", None))
    assert target.read_bytes() == packed


def test_a_file_that_is_packed_itself_stays_so(server: Nginx, target: Path) -> None:
    packed = gzip.compress(ROWS)
    server.put("stock.csv.gz", packed)
    land_at(target, f"{server.url}/packed/stock.csv", Announced("stock.csv.gz", None))
    assert target.read_bytes() == packed


def test_a_bomb_is_not_published(server: Nginx, target: Path) -> None:
    server.put("stock.csv.gz", gzip.compress(bytes(200_000_000)))
    with pytest.raises(ClarusRejectedError, match="unpacks to over"):
        land_at(target, f"{server.url}/packed/stock.csv")
    assert target.read_bytes() == b"the older report"
