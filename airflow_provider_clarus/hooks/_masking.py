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
        from asgiref.sync import sync_to_async

        # Airflow 3.0 refuses in the loop itself, and finds the way back to it from asgiref's threads alone.
        # Not from the one that all share, where somebody's call may hang.
        await sync_to_async(mask_secret, thread_sensitive=False)(secret)
    else:
        await amask(secret)
