"""A small client of W&B's GraphQL service, every answer of which is bounded in time.

wandb's own `Api` needs a process beside it, retries for minutes and prints; the few queries made here are those that
wandb 0.10 to 0.31 make, over the standard library.
"""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from autoloop.metric_readers.json_value import decoded
from autoloop.model import UserError
from autoloop.wandb_cloud.key import find_key, server_address
from autoloop.wandb_cloud.request import graphql_request, opener

REQUEST_TIMEOUT = 20.0
"""Seconds that the service may be silent."""
ATTEMPTS = 3
PAUSE = 1.0
"""Seconds before the second attempt of a request that failed on the way; doubled for the third."""
MAX_ANSWER = 256 << 20
"""Bytes; more than this is no answer to what is asked here."""


class RefusedError(UserError):
    """The service answered, and the answer is no: asking again does not help."""


class GraphQL:
    """One service and one key. `deadline`: the `time.monotonic()` after which nothing is waited for any more."""

    def __init__(self, environment: Mapping[str, str], deadline: float) -> None:
        self.url = server_address(environment)
        self.host = urlsplit(self.url).netloc.rpartition("@")[2]
        if urlsplit(self.url).scheme not in ("http", "https") or not self.host:
            raise UserError(f"{self.url} is no web address; set WANDB_BASE_URL as https://HOST, or unset it.")
        found = find_key(environment)
        if found is None:
            raise UserError(f"There is no W&B key for {self.host}: set WANDB_API_KEY or run `wandb login`.")
        key = found.key.strip()
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise UserError("The W&B key holds characters that no key has; copy it again from your W&B settings.")
        self._secret = key
        self._deadline = deadline
        self._opener = opener()

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The `data` of the answer. UserError in one sentence if there is none: Refused, or unreachable, or too late."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._data(self._post(query, variables))
            except _Passing as failure:
                pause = PAUSE * 2 ** (attempt - 1)
                if attempt == ATTEMPTS or time.monotonic() + pause > self._deadline:
                    raise UserError(f"W&B at {self.host} {failure}; try again later.") from None
                time.sleep(pause)
        raise AssertionError

    def _post(self, query: str, variables: dict[str, Any]) -> Any:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._silent(left)
        request = graphql_request(self.url, self._secret, query, variables)
        try:
            with self._opener.open(request, timeout=min(REQUEST_TIMEOUT, left)) as response:
                data = response.read(MAX_ANSWER + 1)
                # Less came than was announced, which a bounded read does not tell.
                if response.length and len(data) <= MAX_ANSWER:
                    raise http.client.IncompleteRead(data, response.length)
        except urllib.error.HTTPError as error:
            with error:
                self._refuse(error)
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._silent(left) from None
            raise _Passing(f"cannot be reached ({_words(error.reason)})") from None
        except TimeoutError:
            raise self._silent(left) from None
        except (OSError, http.client.HTTPException):
            raise _Passing("ended the connection in the middle of its answer") from None
        if len(data) > MAX_ANSWER:
            raise RefusedError(f"W&B at {self.host} answered with more than {MAX_ANSWER >> 20} MiB; ask for fewer runs.")
        if (answer := decoded(data)) is None:
            raise _Passing("did not answer as W&B does (is WANDB_BASE_URL right?)")
        return answer

    def _silent(self, left: float) -> Exception:
        """No answer came in time: within what was left of all the time, or within that of a request."""
        if left < REQUEST_TIMEOUT:
            return UserError(f"W&B at {self.host} took too long; ask for fewer runs or give more time.")
        return _Passing(f"did not answer within {REQUEST_TIMEOUT:.0f} s")

    def _refuse(self, error: urllib.error.HTTPError) -> None:
        if error.code == 401:
            raise RefusedError(
                f"W&B at {self.host} refuses the key; copy it again from your W&B settings, or `wandb login`."
            )
        if error.code == 403:
            raise RefusedError(f"W&B at {self.host} gives this key no access; ask the owner of the project for it.")
        if error.code == 429:
            raise _Passing("has had too many requests from you (HTTP 429)")
        if error.code >= 500:
            raise _Passing(f"has trouble of its own (HTTP {error.code})")
        raise RefusedError(f"W&B at {self.host} refused the request (HTTP {error.code}); is WANDB_BASE_URL right?")

    def _data(self, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise _Passing("did not answer as W&B does (is WANDB_BASE_URL right?)")
        errors = answer.get("errors")
        if errors:
            first = errors[0] if isinstance(errors, list) else errors
            message = first.get("message") if isinstance(first, dict) else first
            said = message if isinstance(message, str) else "something went wrong"
            text = " ".join(said.replace(self._secret, "…").split())[:300]
            raise RefusedError(f"W&B at {self.host} says: {text}")
        data = answer.get("data")
        if not isinstance(data, dict):
            raise _Passing("did not answer as W&B does (is WANDB_BASE_URL right?)")
        return data


class _Passing(Exception):
    """A failure on the way, which may be over the next time. Its text follows `W&B at HOST`."""


def _words(reason: object) -> str:
    return str(getattr(reason, "strerror", None) or reason)
