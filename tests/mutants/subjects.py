# SPDX-License-Identifier: Apache-2.0
"""Where changes are drawn from, and which tests are to notice them: those of the room, and no others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """Files of the package with tests of their own.

    :param subject: what they are about; several rooms may be about one
    :param files: in the package
    :param tests: below tests/, in the order in which they run: the quick ones first
    """

    subject: str
    files: tuple[str, ...]
    tests: tuple[str, ...]


ROOMS = (
    Room(
        "status rules",
        ("policy/answers.py", "policy/patience.py", "api/status.py", "api/models.py", "api/_by_status.py"),
        ("unit/policy", "unit/api", "unit/http", "unit/waiting/test_watch.py", "integration/api"),
    ),
    Room(
        "retries",
        (
            "http/_deadline.py",
            "http/backoff.py",
            "http/limit.py",
            "http/responses.py",
            "http/retries.py",
            "http/transport.py",
        ),
        ("unit/http", "integration/http", "integration/hooks/test_run.py", "integration/api"),
    ),
    Room(
        "poller",
        (
            "waiting/_queue.py",
            "waiting/_reader.py",
            "waiting/_slots.py",
            "waiting/_tenant.py",
            "waiting/_waiter.py",
            "waiting/looks.py",
            "waiting/poller.py",
            "waiting/threads.py",
            "waiting/wait.py",
            "waiting/watch.py",
        ),
        ("unit/waiting", "integration/waiting"),
    ),
    Room(
        "windows",
        ("variables/relative.py", "variables/values.py", "variables/windows.py"),
        ("unit/variables",),
    ),
    Room(
        "sources",
        (
            "landing/_download.py",
            "landing/_pages.py",
            "landing/_session.py",
            "landing/_source.py",
            "landing/_url_refused.py",
            "landing/_urls.py",
        ),
        (
            "unit/landing",
            "integration/landing/test_download.py",
            "integration/landing/test_incomplete.py",
            "integration/landing/test_connections.py",
        ),
    ),
    Room(
        "tokens",
        (
            "auth/_client_auth.py",
            "auth/_failures.py",
            "auth/_patience.py",
            "auth/_token_store.py",
            "auth/state_folder.py",
            "auth/token_request.py",
            "auth/tokens.py",
        ),
        ("unit/auth", "integration/auth/test_tokens.py", "integration/auth/test_grants.py"),
    ),
    Room(
        "durability",
        ("doubts.py", "durable.py"),
        ("integration/test_durable.py",),
    ),
    Room(
        "durability",
        ("receipts.py", "landing/_files.py", "landing/_own.py", "landing/land.py"),
        (
            "unit/landing",
            "integration/landing/test_files.py",
            "integration/landing/test_own.py",
            "integration/landing/test_landing.py",
            "integration/landing/test_lineage.py",
        ),
    ),
    Room(
        "durability",
        ("watching/ledger.py",),
        ("unit/watching",),
    ),
)
