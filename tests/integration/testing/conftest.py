# SPDX-License-Identifier: Apache-2.0
"""The fixtures of this tree, also where what is installed is from before they had their entry point."""

from __future__ import annotations

from airflow_provider_clarus.testing.plugin import (  # noqa: F401
    assert_generated,
    clarus_clock,
    clarus_connection,
    clarus_sandbox,
    clarus_sandbox_options,
)
