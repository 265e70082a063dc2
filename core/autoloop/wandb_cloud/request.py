"""Builds requests to W&B's GraphQL service. The key goes only into a header, and to no other server."""

from __future__ import annotations

import base64
import json
import urllib.request
from typing import Any


def graphql_request(
    server: str, key: str | None, query: str, variables: dict[str, Any] | None = None
) -> urllib.request.Request:
    headers = {"Content-Type": "application/json", "User-Agent": "autoloop-tui"}
    if key:
        headers["Authorization"] = "Basic " + base64.b64encode(f"api:{key}".encode()).decode()
    body = {"query": query} if variables is None else {"query": query, "variables": variables}
    return urllib.request.Request(f"{server}/graphql", json.dumps(body).encode(), headers)


def opener() -> urllib.request.OpenerDirector:
    """Return an opener for requests with a key: it follows no redirects, which would send the key to another host."""
    return urllib.request.build_opener(_NoRedirects())


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
