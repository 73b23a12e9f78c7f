# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import codecs
import gzip
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_clarus.landing._columns import HEAD, columns_of, is_csv
from airflow_provider_clarus.landing._pages import Announced


@pytest.mark.parametrize(
    ("head", "columns"),
    [
        (b"sku,qty\nA1,5\n", ["sku", "qty"]),
        (b"sku,qty\r\nA1,5\r\n", ["sku", "qty"]),
        (b"sku,qty\rA1,5\r", ["sku", "qty"]),
        (b"sku,qty", ["sku", "qty"]),
        (b"sku\nA1\n", ["sku"]),
        (codecs.BOM_UTF8 + b"sku;qty\nA1;5\n", ["sku", "qty"]),
        ("sku\tqty\nA1\t5\n".encode("utf-16"), ["sku", "qty"]),
        (codecs.BOM_UTF16_BE + "sku|gr\u00f6\u00dfe\n".encode("utf-16-be"), ["sku", "gr\u00f6\u00dfe"]),
        ("sku,gr\u00f6\u00dfe\n".encode("cp1252"), ["sku", "gr\u00f6\u00dfe"]),
        ('"Name, short";"5"" pipe";"\u00e4"\n'.encode(), ["Name, short", '5" pipe', "\u00e4"]),
        (b'"Name; short",qty\n', ["Name; short", "qty"]),
        (b"sep=;\r\na,b;c\r\n1;2\r\n", ["a,b", "c"]),
        (b"  sku , qty \n", ["sku", "qty"]),
        (b"sku,,qty\n", ["sku", "", "qty"]),
        (gzip.compress(b"sku,qty\nA1,5\n", mtime=0), ["sku", "qty"]),
    ],
)
def test_names_come_from_the_first_line(head: bytes, columns: list[str]) -> None:
    assert columns_of(head, is_whole=True) == columns


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\n1,2\n",
        b",,\n1,2\n",
        b"PK\x03\x04,binary\n",
        b"\x1f\x8bno gzip",
        # Read leniently, each of these would take a row for a part of its header.
        b'"sku,qty\nSECRET,5\n',
        b'sku,"qty\nSECRET",5\n',
        b'"sku\n",qty\nSECRET,5\n',
        b'"sku"s,qty\nSECRET,5\n',
    ],
)
def test_what_is_not_certain_is_not_told(head: bytes) -> None:
    assert columns_of(head, is_whole=True) is None


def test_a_line_that_may_have_been_cut_off_is_not_told() -> None:
    assert columns_of(b"sku,qty", is_whole=False) is None
    assert columns_of(b"sku,qty\nA", is_whole=False) == ["sku", "qty"]
    assert columns_of(b"n" * HEAD, is_whole=False) is None
    # Packed, it is short, and unpacked too long.
    assert columns_of(gzip.compress(b"n" * 2 * HEAD), is_whole=True) is None


def test_a_head_of_a_packed_file_is_enough() -> None:
    packed = gzip.compress(b"sku,qty\n" + bytes(range(256)) * 4000)
    assert columns_of(packed[:200], is_whole=False) == ["sku", "qty"]
    assert columns_of(zlib.compress(b"sku,qty\n"), is_whole=True, encoding="deflate") == ["sku", "qty"]


@given(st.binary(max_size=200), st.booleans(), st.sampled_from(["", "gzip", "deflate", "br"]))
@example(b'sep="\n', True, "")
@example(b"sep=\r\n", True, "")
def test_nothing_makes_it_fail_or_tell_of_a_second_line(head: bytes, is_whole: bool, encoding: str) -> None:
    for name in columns_of(head, is_whole=is_whole, encoding=encoding) or []:
        assert "\n" not in name


@pytest.mark.parametrize(
    ("announced", "name", "is_one"),
    [
        (Announced("stock.csv"), "stock", True),
        (Announced("stock.CSV.gz"), "stock", True),
        (Announced("stock", "text/csv; charset=utf-8"), "stock", True),
        (Announced("stock.csv", "application/vnd.ms-excel"), "stock", True),
        (Announced("stock.tsv"), "stock", True),
        (Announced(None, "csv"), "stock", True),
        (Announced(), "stock.csv", True),
        (Announced(), "stock.csv.gz", True),
        (Announced(), "stock", False),
        (Announced("stock.pdf", "application/pdf"), "stock.csv", False),
        (Announced("csv", "application/zip"), "stock.zip", False),
    ],
)
def test_a_csv_is_told_by_its_type_and_name(announced: Announced, name: str, is_one: bool) -> None:
    assert is_csv(announced, name) is is_one
