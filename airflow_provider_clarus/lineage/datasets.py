# SPDX-License-Identifier: Apache-2.0
"""Name reports, documents and landed objects as OpenLineage names datasets: pure rules.

https://openlineage.io/docs/spec/naming: a namespace, which is where it is, and a name in it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

#: The namespaces of storages, by the schemes of destinations.
_BUCKETS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
AZURE = frozenset({"abfs", "abfss"})


class Name(NamedTuple):
    """A dataset's name."""

    namespace: str
    name: str


def report(tenant: str | None, report_id: int | None, report_name: str | None = None) -> Name | None:
    """Name a report by its id, or by its own name as long as that is all that is known."""
    known = report_id if report_id is not None else report_name
    return Name(f"clarus://{tenant}", f"report/{known}") if tenant and known is not None else None


def document(tenant: str | None, document_id: int | None) -> Name | None:
    """Name a document, as the way of the data from a generating task to the one that lands it."""
    return Name(f"clarus://{tenant}", f"document/{document_id}") if tenant and document_id else None


def landed(uri: str, account: str | None = None) -> Name:
    """Name an object, whatever Airflow connection has opened its storage.

    :param uri: the destination, with or without a connection
    :param account: the storage account, which only Azure's names have
    """
    scheme, _, rest = uri.partition("://")
    authority, slash, key = rest.partition("/")
    bucket = authority.rpartition("@")[2]
    if scheme in AZURE:
        return Name(f"abfss://{bucket}" + (f"@{account}.dfs.core.windows.net" if account else ""), key)
    if scheme in _BUCKETS:
        return Name(f"{_BUCKETS[scheme]}://{bucket}", key)
    return Name(f"{scheme}://{bucket}" if bucket else scheme, slash + key)


def of_asset(asset: Any, lineage_context: Any) -> Any:
    """Name the asset ``clarus://acme/report/7`` as the tasks name that report; Airflow asks, by the scheme.

    :returns: OpenLineage's dataset, or ``None`` where the asset names no more than a tenant
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    tenant, _, name = asset.uri.removeprefix("clarus://").partition("/")
    return Dataset(namespace=f"clarus://{tenant}", name=name) if name else None
