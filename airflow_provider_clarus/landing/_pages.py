# SPDX-License-Identifier: Apache-2.0
"""Recognize a page or an API's error instead of the file: "We will be back soon", with status 200."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from mimetypes import guess_type
from os.path import splitext
from urllib.parse import unquote, urlsplit

#: Bytes at the start of a file that are looked at.
HEAD = 1024
#: As a document's ``file_type``, its name, or the second half of a ``Content-Type`` may say it.
_MARKUP = re.compile(r"[sx]?html?|mht(ml)?|[a-z.+-]*xml|xs[dl]t?|svg|rss|atom", re.IGNORECASE)
#: What programs write under these names is often a web page or XML, which spreadsheets read.
_PERHAPS_MARKUP = frozenset({"xls", "doc", "vnd.ms-excel", "msword"})
#: Names of whatever may hold JSON, too.
_PERHAPS_JSON = frozenset({"bin", "binary", "dat", "octet-stream", "plain", "text", "txt"})
#: What begins a page, whatever it is called, and no cell of a CSV, after which comes a separator
#: (https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type, less what is short).
_UNMISTAKABLE = re.compile(
    r"<!doctype\s+html[\s>]|<(html|head|body|title|script|style|meta|iframe)(\s|>(?![,;|]))|<!--|<\?xml\s"
    r"|<error>\s*<code>|<[\w:.-]+\s[^<>]*\bxmlns\b",
    re.IGNORECASE,
)
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


#: Of RFC 6838, 4.2, and whatever parameters.
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+( *;.*)?")


def is_media_type(text: str) -> bool:
    """Tell whether a text is a MIME type that a header can carry."""
    return bool(_MEDIA_TYPE.fullmatch(text)) and text.isascii() and text.isprintable()


@dataclass(frozen=True)
class Announced:
    """What Clarus says of a document's file.

    :param file_type: a MIME type or a short name (``text/csv``, ``pdf``)
    """

    file_name: str | None = None
    file_type: str | None = None

    def kinds(self, url: str = "") -> set[str]:
        """Return what the file is, in short: ``csv``; from its type and name, else from the URL's path."""
        names = [self.file_name or ""]
        if not (self.file_name or self.file_type):
            names.append(unquote(urlsplit(url).path))
        kinds = {splitext(name)[1].lstrip(".").lower() for name in names}
        kinds.add((self.file_type or "").partition(";")[0].rpartition("/")[2].strip().lower())
        return kinds - {""}

    def excludes_json(self, url: str) -> bool:
        """Tell whether what is known of the file says that it is no JSON."""
        kinds = {kind for kind in self.kinds(url) if kind[0].isalpha()} - _PERHAPS_JSON
        # Packed, it is called stock.json.gz.
        return bool(kinds) and not any("json" in text for text in (*kinds, (self.file_name or "").lower()))

    @property
    def media_type(self) -> str | None:
        """The MIME type of the file, None where neither its type nor its name tells."""
        kind = (self.file_type or "").strip()
        if is_media_type(kind):
            return kind
        return guess_type(f"file.{kind}")[0] or guess_type(self.file_name or "")[0]

    @property
    def is_gzip(self) -> bool:
        """Whether the file itself is packed."""
        return bool(self.kinds() & {"gz", "gzip", "x-gzip", "tgz"})


def page(announced: Announced, url: str, headers: Mapping[str, str], head: bytes) -> str | None:
    """Return what the page says that a storage answered with instead of the file; ``None`` for a file.

    :param head: the first bytes of the body, unpacked
    """
    from airflow_provider_clarus.http.responses import server_words

    kinds = announced.kinds(url)
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    subtype = media_type.rpartition("/")[2]
    text = _text(head).lstrip()
    # Some servers call everything JSON, also a report without a row.
    if "json" in subtype and text.startswith(("{", "[")) and announced.excludes_json(url):
        is_page = True
    elif any(_MARKUP.fullmatch(kind) for kind in kinds):
        is_page = False
    else:
        looks_like_one = _UNMISTAKABLE.match(text) and not kinds & _PERHAPS_MARKUP
        is_page = bool(_MARKUP.fullmatch(subtype) or looks_like_one)
    return f"{media_type or 'without a Content-Type'}: {server_words(head)}" if is_page else None


def _text(head: bytes) -> str:
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            return head[len(bom) :].decode(encoding, "replace")
    return head.decode("utf-8", "replace")
