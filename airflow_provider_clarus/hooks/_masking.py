# SPDX-License-Identifier: Apache-2.0
"""Mask secrets in Airflow's logs, with what this version has for it."""

from __future__ import annotations

try:
    from airflow.sdk.log import mask_secret
except ImportError:
    # common.compat offers it since 1.21, which needs Python 3.11.
    try:
        from airflow.sdk.execution_time.secrets_masker import mask_secret  # type: ignore[no-redef]  # 3.0
    except ImportError:
        from airflow.utils.log.secrets_masker import mask_secret  # type: ignore  # 2.11

__all__ = ["amask_secret", "mask_secret"]


async def amask_secret(secret: str) -> None:
    """Mask a secret from a triggerer's event loop, where the other way can hang."""
    try:
        from airflow.sdk.log import amask_secret as amask
    except ImportError:
        mask_secret(secret)
    else:
        await amask(secret)
