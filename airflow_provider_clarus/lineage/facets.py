# SPDX-License-Identifier: Apache-2.0
"""Build what OpenLineage is told of a task: its datasets, and the facets that say more of them.

It needs ``openlineage``, so it is imported when Airflow's OpenLineage provider asks, and not before. The
schemas of the two facets that are Clarus' own are in ``facets.json`` beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import attr
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    dataset_type_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from airflow_provider_clarus import __version__
from airflow_provider_clarus.lineage import datasets

if TYPE_CHECKING:
    from airflow_provider_clarus.lineage.datasets import Name
    from airflow_provider_clarus.stopping import Work

_HOME = "https://pypi.org/project/airflow-provider-clarus"
PRODUCER = f"{_HOME}/{__version__}/"
#: The ``$id`` of ``facets.json``; a change of a facet is another version of it.
SCHEMA = f"{_HOME}/facets/1-0-0/facets.json"


@attr.define(kw_only=True)
class ClarusRunFacet(RunFacet):
    """What a run asked Clarus for.

    :param variables: by their names, as they were sent; a list where a name was sent several times
    :param window: the two of them between which the report looks
    """

    tenant: str | None = None
    reportId: int | None = None  # noqa: N815 - as OpenLineage's own facets write names
    reportName: str | None = None  # noqa: N815
    documentId: int | None = None  # noqa: N815
    variables: dict[str, str | list[str]] | None = None
    window: dict[str, str] | None = None

    _additional_skip_redact: ClassVar[list[str]] = ["tenant", "reportId", "documentId"]

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMA}#/$defs/ClarusRunFacet"


@attr.define(kw_only=True)
class ClarusDocumentDatasetFacet(DatasetFacet):
    """From which document a dataset came, and what exactly it is.

    :param size: bytes
    :param sha256: hexadecimal
    """

    tenant: str | None = None
    reportId: int | None = None  # noqa: N815
    documentId: int | None = None  # noqa: N815
    fileName: str | None = None  # noqa: N815
    size: int | None = None
    sha256: str | None = None

    _additional_skip_redact: ClassVar[list[str]] = ["tenant", "reportId", "documentId", "size", "sha256"]

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMA}#/$defs/ClarusDocumentDatasetFacet"


def lineage_of(work: Work, *, is_complete: bool, account: str | None = None) -> Any:
    """Return the lineage of a task: what it read, what came of it, and what it asked for.

    :param work: what it worked on
    :param is_complete: whether it succeeded; a task that failed has made nothing that others may read
    :param account: the storage account of what has landed, on Azure
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    source = datasets.report(work.tenant, work.report_id, work.report_name)
    made = datasets.document(work.tenant, work.document_id)
    outputs = []
    if work.lands:
        source, made = source or made, None
        if work.landed:
            there = datasets.landed(work.landed["uri"], account)
            # No digest is known of an object that was there before, and that this task has left alone.
            is_own = bool(work.landed["sha256"])
            source, made = (source, there) if is_own else (source or there, None)
    if made and is_complete:
        outputs.append(_landed(made, work) if work.landed else _generated(made, work))
    return OperatorLineage(
        inputs=[InputDataset(namespace=source.namespace, name=source.name)] if source else [],
        outputs=outputs,
        run_facets={"clarus_run": _run_facet(work)},
    )


def _run_facet(work: Work) -> ClarusRunFacet:
    variables: dict[str, str | list[str]] = {}
    for one in work.variables or ():
        sent = [other["value"] for other in work.variables or () if other["name"] == one["name"]]
        variables[one["name"]] = sent if len(sent) > 1 else sent[0]
    return ClarusRunFacet(
        producer=PRODUCER,
        tenant=work.tenant,
        reportId=work.report_id,
        reportName=work.report_name,
        documentId=work.document_id,
        variables=variables or None,
        window=dict(zip(("start", "end"), work.window, strict=True)) if work.window else None,
    )


def _generated(name: Name, work: Work) -> OutputDataset:
    facet = ClarusDocumentDatasetFacet(
        producer=PRODUCER, tenant=work.tenant, reportId=work.report_id, documentId=work.document_id
    )
    return OutputDataset(namespace=name.namespace, name=name.name, facets={"clarus_document": facet})


def _landed(name: Name, work: Work) -> OutputDataset:
    result = work.landed or {}
    facets: dict[str, DatasetFacet] = {
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(datasetType="FILE"),
        "clarus_document": ClarusDocumentDatasetFacet(
            producer=PRODUCER,
            tenant=work.tenant,
            reportId=work.report_id,
            documentId=result["document_id"],
            fileName=result["file_name"],
            size=result["size"],
            sha256=result["sha256"],
        ),
    }
    if work.columns:
        facets["schema"] = _schema(work.columns)
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        size=result["size"], fileCount=1
    )
    return OutputDataset(
        namespace=name.namespace,
        name=name.name,
        facets=facets,
        outputFacets={"outputStatistics": statistics},
    )


def _schema(columns: Sequence[str]) -> schema_dataset.SchemaDatasetFacet:
    return schema_dataset.SchemaDatasetFacet(
        fields=[schema_dataset.SchemaDatasetFacetFields(name=column) for column in columns]
    )
