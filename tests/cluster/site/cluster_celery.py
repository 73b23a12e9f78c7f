# SPDX-License-Identifier: Apache-2.0
"""``[celery] celery_config_options``: a worker imports before it forks, so that no task has to."""

from __future__ import annotations

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG

CONFIG = {**DEFAULT_CELERY_CONFIG, "imports": ["cluster_preloaded"]}
