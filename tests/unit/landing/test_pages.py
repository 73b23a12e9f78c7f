# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_clarus.landing._pages import Announced, page

CSV = Announced("stock.csv", "text/csv")
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
JSON = b'{"message": "Service Unavailable"}'


@pytest.mark.parametrize(
    ("announced", "media_type", "head"),
    [
        (CSV, "text/html", b"We will be back soon"),
        (CSV, "text/html; charset=utf-8", b"<h1>We will be back soon</h1>"),
        (CSV, "application/xml", b"<Error><Code>SlowDown</Code></Error>"),
        (CSV, "application/octet-stream", b"\xef\xbb\xbf\n <!DOCTYPE html><title>soon</title>"),
        (CSV, "text/csv", b"<?xml version='1.0'?><Error/>"),
        (CSV, "", "<html>".encode("utf-16")),
        (Announced("stock.pdf", None), "text/html", b"%"),
        (Announced(None, "csv"), "text/html", b""),
        (Announced(), "text/html", b"<html>"),
        (Announced("stock.xlsx", None), "text/plain", b"<html>"),
        (CSV, "TEXT/HTML", b'{"error": "maintenance"}'),
        (CSV, "application/soap+xml", b"<Envelope/>"),
        (CSV, "", b"<!-- saved on Monday -->\n<html>"),
        (CSV, "text/csv", b"\r\n\t<head><title>soon</title>"),
        (
            CSV,
            "text/plain",
            b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">',
        ),
        (CSV, "text/plain", b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'),
        (Announced("stock.xls", None), "text/html", b"<title>Sign in</title>"),
        (CSV, "application/json", JSON),
        (CSV, "application/problem+json; charset=utf-8", b'{"title": "Service Unavailable"}'),
        (Announced(None, "csv"), "text/json", JSON),
        (Announced("stock.csv", "text/plain"), "application/json", JSON),
        (Announced("stock.csv.gz", None), "application/json", JSON),
        (Announced("stock.html", "text/html"), "application/json", JSON),
        (Announced("stock.xlsx", EXCEL), "application/json", JSON),
    ],
)
def test_a_page_is_told_from_a_file(announced: Announced, media_type: str, head: bytes) -> None:
    assert page(announced, "https://host/documents/1?a=b.html", {"Content-Type": media_type}, head)


@pytest.mark.parametrize(
    ("announced", "media_type", "head"),
    [
        (CSV, "text/csv", b"<100 kg,1\n"),
        (CSV, "binary/octet-stream", b"<b>,<html-id>\n"),
        (CSV, "text/csv", b"<html>,<title>\n1,2\n"),
        (CSV, "text/csv", b"<title>;<body>\n1;2\n"),
        (CSV, "text/csv", b"<x id=7>,b\n"),
        (CSV, "", b""),
        (Announced("stock.html", None), "text/html", b"<!doctype html>"),
        (Announced("stock", "text/html"), "text/html", b"<!doctype html>"),
        (Announced(None, "html"), "text/html", b"<html>"),
        (Announced("stock.xml", "application/xml"), "application/xml", b"<?xml version='1.0'?>"),
        (Announced("stock.xlsx", EXCEL), EXCEL, b"PK"),
        (Announced("stock.xls", "application/vnd.ms-excel"), "application/vnd.ms-excel", b"<html><table>"),
        (Announced(), "text/html", b"<html>"),
        (CSV, "text/csv", JSON),
        (CSV, "application/json", b"sku,quantity\n"),
        (CSV, "application/json", b""),
        (CSV, "application/octet-stream", JSON),
        (Announced("stock.json", "application/json"), "application/json", JSON),
        (Announced("stock.JSON.gz", None), "application/json", JSON),
        (Announced(None, "json"), "application/vnd.api+json", JSON),
        (Announced("stock", "application/x-ndjson"), "application/json", JSON),
        (Announced("stock.txt", "text/plain"), "application/json", JSON),
        (Announced("stock", "application/octet-stream"), "application/json", JSON),
        (Announced("Stock 15.01", None), "application/json", JSON),
    ],
)
def test_a_file_is_no_page(announced: Announced, media_type: str, head: bytes) -> None:
    assert page(announced, "https://host/reports/1.html?a=b", {"Content-Type": media_type}, head) is None


@pytest.mark.parametrize(
    ("announced", "media_type"),
    [
        (Announced("stock.pdf", "text/csv; charset=utf-8"), "text/csv; charset=utf-8"),
        (Announced("stock.pdf", " csv "), "text/csv"),
        (Announced("stock.pdf", "no such kind"), "application/pdf"),
        (Announced("stock.pdf"), "application/pdf"),
        (Announced("stock"), None),
        (Announced(), None),
    ],
)
def test_a_files_mime_type_is_of_its_type_or_else_of_its_name(
    announced: Announced, media_type: str | None
) -> None:
    assert announced.media_type == media_type
