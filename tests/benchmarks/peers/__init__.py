# SPDX-License-Identifier: Apache-2.0
"""This provider beside others that are published: ``nox -s bench``.

What the others need is in the requirements of that session, and not in those of the package.
"""
