# SPDX-License-Identifier: Apache-2.0
"""Authorization servers that others wrote, as real processes on free ports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from tests.integration.landing.stores import free_ports, running
from tests.npm import UnavailableError, installed, program
from tests.reference.server import PACKAGES

# What neither a URL nor a header has unencoded.
SECRET = "a+b%c:d/=&~ x"
SCOPES = "openid offline_access clarus"
#: A client that acts for itself, two that act for a user, and one that has no secret.
CLIENTS = [
    {"id": "machine", "secret": SECRET, "user": False},
    {"id": "person", "secret": SECRET, "user": True},
    {"id": "other", "secret": SECRET, "user": True},
    {"id": "public", "secret": "", "user": True},
]
OIDC_PROVIDER = "oidc-provider@9.13.3"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """A running authorization server.

    :param takes: whether it takes the secret, with its special letters, in a form of ours
    """

    name: str
    url: str
    takes: dict[str, bool]

    def agree(self, address: str, *, agrees: bool = True) -> str:
        """Do what a user does in a browser, from an address of the server's until it leads back."""
        with requests.Session() as browser:
            answer = browser.get(address, allow_redirects=False, timeout=30)
            for _ in range(20):
                if where := answer.headers.get("Location"):
                    where = urljoin(answer.url, where)
                    if not where.startswith(self.url):
                        return str(where)
                    answer = browser.get(where, allow_redirects=False, timeout=30)
                    continue
                assert answer.status_code == 200, answer.text
                if not agrees and (abort := re.search(r'href="([^"]*/abort)"', answer.text)):
                    answer = browser.get(urljoin(answer.url, abort[1]), allow_redirects=False, timeout=30)
                    continue
                answer = _submit(browser, answer, agrees)
        raise AssertionError("the sign-in leads nowhere")


def _submit(browser: requests.Session, page: requests.Response, agrees: bool) -> requests.Response:
    fields = {
        name[1]: (value[1] if (value := re.search(r'value="([^"]*)"', tag)) else "")
        for tag in re.findall(r"<input[^>]*>", page.text)
        if (name := re.search(r'name="([^"]*)"', tag)) and (agrees or name[1] != "allow")
    }
    typed = {"login": "clarus-user", "password": "any"}
    action = re.search(r'action="([^"]+)"', page.text)
    return browser.post(
        urljoin(page.url, action[1]) if action else page.url,
        data={name: typed.get(name, value) for name, value in fields.items()},
        headers={"Referer": page.url},
        allow_redirects=False,
        timeout=30,
    )


@contextmanager
def oidc_provider(folder: Path) -> Iterator[Peer]:
    """The certified one of npm."""
    command = [program("node"), str(HERE / "oidc_provider.mjs")]
    with _peer("oidc-provider", command, folder, PEER_MODULES=str(installed(OIDC_PROVIDER))) as url:
        yield Peer("oidc-provider", url, {"post": True, "basic": True, "raw": False})


@contextmanager
def django_oauth_toolkit(folder: Path) -> Iterator[Peer]:
    """The usual one of Django."""
    if find_spec("oauth2_provider") is None:
        raise UnavailableError("django-oauth-toolkit is not installed: it comes with the extra 'test'")
    command = [sys.executable, "-W", "ignore", str(HERE / "django_oauth_toolkit.py")]
    with _peer("django-oauth-toolkit", command, folder) as url:
        yield Peer("django-oauth-toolkit", url, {"post": True, "basic": True, "raw": False})


class _Doorkeeper(Peer):
    def agree(self, address: str, *, agrees: bool = True) -> str:
        """Go to the address, or press the button of its page that denies."""
        answer = requests.request("GET" if agrees else "DELETE", address, allow_redirects=False, timeout=30)
        return answer.headers["Location"]


@contextmanager
def doorkeeper(folder: Path) -> Iterator[Peer]:
    """The usual one of Rails, and likely that of Clarus."""
    ruby = program("ruby")
    if subprocess.run([ruby, "-e", "require 'logger'; require 'rails'; require 'doorkeeper'"]).returncode:
        raise UnavailableError(f"doorkeeper needs: apt-get install {PACKAGES}")
    with _peer("doorkeeper", [ruby, str(HERE / "doorkeeper.rb")], folder) as url:
        yield _Doorkeeper("doorkeeper", url, {"post": True, "basic": False, "raw": True})


PEERS: dict[str, Callable[[Path], AbstractContextManager[Peer]]] = {
    "oidc-provider": oidc_provider,
    "django-oauth-toolkit": django_oauth_toolkit,
    "doorkeeper": doorkeeper,
}


@contextmanager
def _peer(name: str, command: Sequence[str], folder: Path, **environment: str) -> Iterator[str]:
    (port,) = free_ports(1)
    environment |= {"PEER_PORT": str(port), "PEER_CLIENTS": json.dumps(CLIENTS), "PEER_SCOPES": SCOPES}
    url = f"http://127.0.0.1:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        with running(name, command, folder, url):
            yield url


def must_be_there() -> bool:
    """Whether a server that is missing is an error, as it is where nobody looks at what was skipped."""
    return "CI" in os.environ
