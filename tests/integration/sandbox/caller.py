# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import requests

from airflow_provider_clarus.sandbox.server import Sandbox

QUERY = """
query($filter: DocumentFilterType, $first: Int, $after: String) {
  documents { all(filter: $filter, first: $first, after: $after) {
    edges { cursor node { id file_name file_type category status created_at updated_at } }
    pageInfo { hasNextPage endCursor }
  } }
}"""


class Caller(requests.Session):
    """Calls the sandbox's API with a good token and tenant."""

    def __init__(self, sandbox: Sandbox, user: str | None = None) -> None:
        super().__init__()
        self.sandbox = sandbox
        token = sandbox.issue_token(user)["access_token"]
        self.headers.update({"Authorization": f"Bearer {token}", "X-Clarus-Subdomain": sandbox.tenant})

    def generate(self, report_id: object = 7, **body: Any) -> requests.Response:
        return self.post(f"{self.sandbox.url}/api/reports/{report_id}/generate", json=body, timeout=60)

    def generated(self, report_id: int = 7, **body: Any) -> int:
        return self.generate(report_id, **body).json()["data"]["id"]

    def download(self, document_id: object) -> requests.Response:
        return self.get(f"{self.sandbox.url}/api/documents/{document_id}/download", timeout=60)

    def file_url(self, document_id: int) -> str:
        return self.download(document_id).json()["url"]

    def graphql(self, query: str = QUERY, **variables: Any) -> requests.Response:
        body = {"query": query, "variables": variables}
        return self.post(f"{self.sandbox.url}/graphql", json=body, timeout=60)

    def page(self, **variables: Any) -> dict[str, Any]:
        return self.graphql(**variables).json()["data"]["documents"]["all"]

    def nodes(self, **filters: Any) -> list[dict[str, Any]]:
        return [edge["node"] for edge in self.page(filter=filters)["edges"]]

    def ids(self, **filters: Any) -> list[int]:
        return [int(node["id"]) for node in self.nodes(**filters)]
