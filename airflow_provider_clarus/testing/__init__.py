# SPDX-License-Identifier: Apache-2.0
"""Test DAGs against the sandbox: fixtures for pytest, which finds them by itself."""

__all__ = ["clarus", "plugin"]
