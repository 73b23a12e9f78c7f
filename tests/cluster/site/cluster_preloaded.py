# SPDX-License-Identifier: Apache-2.0
"""All that a task of the cluster imports, from Airflow's runner to the client of S3: once in each worker."""

from __future__ import annotations

import gc
from importlib import import_module

MODULES = [
    "airflow.dag_processing.bundles.local",
    "airflow.dag_processing.dagbag",
    "airflow.executors.workloads",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.openlineage.plugins.openlineage",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.cache",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "boto3",
    "requests_oauthlib",
    "s3fs",
    "airflow_provider_clarus.hooks.clarus",
    "airflow_provider_clarus.landing._s3",
    "airflow_provider_clarus.operators.document",
    "airflow_provider_clarus.operators.report",
    "airflow_provider_clarus.sensors.document",
    "airflow_provider_clarus.transfers.clarus_to_object_storage",
    "airflow_provider_clarus.triggers.document",
]

for _module in MODULES:
    import_module(_module)
# The first look at a file system imports those of all providers.
import_module("airflow.sdk.io.fs").has_fs("s3")
# What no collection looks at stays shared with the forks.
gc.collect()
gc.freeze()
