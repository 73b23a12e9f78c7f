# SPDX-License-Identifier: Apache-2.0
"""Parse what the API answers, once, at the edge; and tell when waiting is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_clarus.api.status import DocumentStatus
from airflow_provider_clarus.exceptions import (
    ClarusNotFoundError,
    ClarusReportFailedError,
)
from airflow_provider_clarus.policy.patience import MISSING_GRACE as MISSING_GRACE
from airflow_provider_clarus.variables.settle import positive_id


@dataclass(frozen=True, slots=True)
class Document:
    """A generated (or still to be generated) file in one tenant."""

    id: int
    status: DocumentStatus
    file_name: str | None = None
    file_type: str | None = None

    @classmethod
    def from_rest(cls, resource: Mapping[str, Any]) -> Document:
        """Parse a JSON:API resource, as ``POST /api/reports/{id}/generate`` answers it.

        Its id is enough: the report is queued, whatever else is said of it, or is not.
        """
        attributes = resource.get("attributes")
        said = attributes if isinstance(attributes, Mapping) else {}
        texts = {name: said[name] for name in ("file_name", "file_type") if isinstance(said.get(name), str)}
        return cls._parse(resource["id"], {"status": said.get("status") or "queued", **texts})

    @classmethod
    def from_graphql(cls, node: Mapping[str, Any]) -> Document:
        """Parse a ``documents.all`` node, whose id is a string."""
        return cls._parse(node["id"], node)

    @classmethod
    def _parse(cls, document_id: Any, fields: Mapping[str, Any]) -> Document:
        file_name, file_type = fields.get("file_name"), fields.get("file_type")
        if not (isinstance(file_name, str | None) and isinstance(file_type, str | None)):
            raise TypeError("file_name and file_type are texts")
        return cls(
            id=positive_id(document_id, "id"),
            status=DocumentStatus.parse(fields["status"]),
            file_name=file_name,
            file_type=file_type,
        )

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Document:
        """Parse what :meth:`as_dict` returned."""
        return cls._parse(fields["id"], fields)

    def as_dict(self) -> dict[str, Any]:
        """Return what goes into an XCom or a trigger event: plain JSON values."""
        return asdict(self) | {"status": self.status.value}


def finished(
    document: Document | None, *, document_id: int, tenant: str, missing_for: float
) -> Document | None:
    """Return the document when it can be downloaded, ``None`` while it cannot yet.

    :param document: what Clarus last said, ``None`` when it knows no such document
    :param missing_for: seconds since the first look in a row that did not find it
    :raises ClarusReportFailedError: when it never will be
    :raises ClarusNotFoundError: when it has been out of sight for longer than ``MISSING_GRACE``
    """
    if document is None:
        if missing_for <= MISSING_GRACE:
            return None
        raise ClarusNotFoundError(
            f"Document {document_id} is not to be found in tenant {tenant!r}, and has not been for "
            f"{missing_for:.0f} s. Check the id and the tenant; or it was deleted in Clarus.",
            document_id=document_id,
            tenant=tenant,
        )
    if document.status is DocumentStatus.FAILED:
        raise ClarusReportFailedError(
            f"Clarus could not generate document {document_id} in tenant {tenant!r}: its status is 'failed'. "
            "Run the report in Clarus with the same variables to see why. Then clear the task that generated "
            "it: one that only waits for it would wait for the same document.",
            document_id=document_id,
            tenant=tenant,
        )
    return document if document.status is DocumentStatus.AVAILABLE else None
