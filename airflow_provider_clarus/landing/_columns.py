# SPDX-License-Identifier: Apache-2.0
"""Read the names of a CSV's columns from its first line, and never anything from a row."""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from io import StringIO
from os.path import splitext

from airflow_provider_clarus.landing._packed import GZIP_MAGIC, head_of
from airflow_provider_clarus.landing._pages import Announced

#: Bytes at the start of a file in which its first line must end.
HEAD = 64 * 1024
#: Types, as Clarus or a file's name may say them.
_TYPES = frozenset({"csv", "x-csv", "comma-separated-values", "tsv", "tab-separated-values"})
_DELIMITERS = ",;\t|"
#: What spreadsheets write, and skip, before the header.
_SEP = re.compile(r"sep=([,;\t|])[\r\n]*", re.IGNORECASE)
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def is_csv(announced: Announced, name: str) -> bool:
    """Tell whether a document's file is a CSV, packed or not.

    :param name: of the object that it becomes, which tells where Clarus has not
    """
    names = [announced.file_name or "", announced.file_type or ""] if announced.kinds() else [name]
    inner = {
        splitext(one[: -len(packed)])[1].lstrip(".").lower()
        for one in names
        for packed in (".gz", ".gzip")
        if one.lower().endswith(packed)
    }
    return bool(_TYPES & (Announced(names[0]).kinds() | announced.kinds() | inner))


def columns_of(head: bytes, *, is_whole: bool, encoding: str = "") -> list[str] | None:
    """Return the names in the first line of a CSV, ``None`` where they cannot be read with certainty.

    :param head: the first bytes, as they came, packed or not
    :param is_whole: whether there are no more
    :param encoding: as which the storage packed the body, unasked
    """
    if encoding:
        head = head_of(head, encoding, HEAD)
    if head.startswith(GZIP_MAGIC):
        head = head_of(head, "gzip", HEAD)
    is_whole = is_whole and len(head) < HEAD
    text = _text(head)
    # What may have been cut off is no line.
    lines = [line for line in StringIO(text, newline="") if line.endswith(("\r", "\n")) or is_whole]
    delimiters = _DELIMITERS
    if lines and (said := _SEP.fullmatch(lines[0])):
        lines, delimiters = lines[1:], said[1]
    found = [_fields(lines[:1], delimiter) for delimiter in delimiters]
    names = max(found, key=lambda names: len(names or ()))
    # One name, where quotes do not close with another delimiter: that one is the right one.
    return None if not names or (len(names) == 1 and None in found) else names


def _text(head: bytes) -> str:
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            return head[len(bom) :].decode(encoding, "ignore")
    try:
        # The last character may have been cut off.
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return head.decode("cp1252", "replace")


def _fields(line: list[str], delimiter: str) -> list[str] | None:
    """Return the fields of a line, ``None`` where its quotes do not close in it.

    Read on, such a field would go on to the next quote, which is in somebody's row.
    """
    try:
        names = next(csv.reader(line, delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None
    if any(unicodedata.category(letter) == "Cc" for name in names for letter in name if letter != "\t"):
        return []
    is_told = any(letter.isalnum() for name in names for letter in name)
    return [name.strip() for name in names] if is_told else []
