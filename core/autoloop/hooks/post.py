"""`python -m autoloop.hooks.post`: one HTTP request, in a process that can be killed whatever it hangs in.

The request comes on standard input and the answer goes to standard output, both as JSON: an address is a secret, and the
arguments of a process are not.
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
"""Bytes of an answer."""
LONGEST_HOST = 253
PR_SET_PDEATHSIG = 1


class _SameHost(urllib.request.HTTPRedirectHandler):
    """What is posted stays what is posted, and goes to no other host."""

    max_redirections = 3

    def redirect_request(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if code not in (307, 308) or (before.scheme, before.netloc) != (after.scheme, after.netloc):
            return None
        return urllib.request.Request(newurl, data=req.data, headers=dict(req.header_items()), method="POST")


def post(url: str, headers: dict[str, str], body: str, timeout: float) -> dict[str, Any]:
    """Proxies are those of the environment."""
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
    """In our words: a text of the library may hold the address."""
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
        return f"its answer is no HTTP ({type(error).__name__})"
    return "the request could not be made"


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    asked = json.load(sys.stdin)
    signal.alarm(int(asked["timeout"]) + 30)
    json.dump(post(**asked), sys.stdout)


if __name__ == "__main__":
    main()
