"""`python -m autoloop.hooks.post`: one HTTP request, in a process that can be killed wherever it hangs.

The request is read from standard input and the answer written to standard output, both as JSON, because a URL is secret and
process arguments are public.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import re
import signal
import socket
import ssl
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

MOST = 2000
"""Maximum bytes of an answer."""
LONGEST_HOST = 253
PR_SET_PDEATHSIG = 1


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows only redirects that keep the method and body (307, 308) and stay on the same host."""

    max_redirections = 3

    def redirect_request(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if code not in (307, 308) or (before.scheme, before.netloc) != (after.scheme, after.netloc):
            return None
        return urllib.request.Request(newurl, data=req.data, headers=dict(req.header_items()), method="POST")


def post(url: str, headers: dict[str, str], body: str, timeout: float) -> dict[str, Any]:
    """Post a request and return the answer or an error. Uses the proxies from the environment."""
    sent = urllib.request.Request(url, data=body.encode(), headers=headers, method="POST")
    try:
        with urllib.request.build_opener(_SameHost).open(sent, timeout=timeout) as answer:
            return _answer(answer.status, answer.headers, answer.read(MOST))
    except urllib.error.HTTPError as error:
        return _answer(error.code, error.headers, error.read(MOST))
    except urllib.error.URLError as error:
        return {"error": _why(error.reason)}
    except (OSError, http.client.HTTPException, ValueError) as error:
        return {"error": _why(error)}


def _answer(status: int, headers: Any, body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"status": status, "body": body.decode(errors="replace")}
    if 300 <= status < 400:
        found["to"] = (urlsplit(headers.get("Location", "")).hostname or "")[:LONGEST_HOST]
    if re.fullmatch("[0-9]{1,9}", wait := headers.get("Retry-After", "")):
        found["wait"] = min(int(wait), 3600)
    return found


def _why(error: object) -> str:
    """Return our own wording, because the library's message may contain the URL."""
    if isinstance(error, socket.gaierror):
        return "its host name cannot be resolved"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"the TLS connection failed ({error.reason})"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, OSError):
        return f"the connection failed ({error.strerror or type(error).__name__})"
    if isinstance(error, http.client.HTTPException):
        return f"its answer is not HTTP ({type(error).__name__})"
    return "the request could not be made"


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    asked = json.load(sys.stdin)
    signal.alarm(int(asked["timeout"]) + 30)
    json.dump(post(**asked), sys.stdout)


if __name__ == "__main__":
    main()
