# SPDX-License-Identifier: Apache-2.0
"""nginx, as what stands in front of a storage: it has a page of its own, and packed files."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .stores import StoreUnavailableError, free_ports, running

CACHE = Path.home() / ".cache" / "airflow-provider-clarus" / "nginx"
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/octet-stream;
  types {{ text/html html; text/csv csv; application/xml xml; }}
  server {{
    listen 127.0.0.1:{port};
    root {folder}/files;
    location /away/ {{
      error_page 503 =200 /soon.html;
      if (!-f {folder}/open) {{ return 503; }}
      alias {folder}/files/;
    }}
    location /error/ {{ return 200 "<Error><Code>Gone</Code></Error>"; }}
    location /xml/ {{ types {{ }} default_type application/xml; return 200 "<Gone/>"; }}
    location /json/ {{ types {{ }} default_type text/html; return 200 '{{"error": "maintenance"}}'; }}
    location ~ ^/called/([a-z-]+)/(.+)$ {{ alias {folder}/files/$2; add_header Content-Encoding $1; }}
    location /packed/ {{ alias {folder}/files/; gzip_static always; }}
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running server of the files in ``files``; those below ``/away/`` are there once it is open."""

    folder: Path
    url: str

    def put(self, name: str, content: bytes) -> None:
        (self.folder / "files" / name).write_bytes(content)

    def open(self) -> None:
        (self.folder / "open").touch()


@contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """Run a server until the context is left."""
    (port,) = free_ports(1)
    (folder / "files").mkdir()
    (folder / "files" / "soon.html").write_text("<html><h1>We will be back soon</h1></html>")
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port))
    command = [program(), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    url = f"http://127.0.0.1:{port}"
    with running("nginx", command, folder, url):
        yield Nginx(folder, url)


def program() -> str:
    """Find nginx, or unpack Debian's: once, and kept."""
    if found := shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return found
    unpacked = CACHE / "usr" / "sbin" / "nginx"
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    # Test processes run side by side, and two that install into one folder spoil it.
    with CACHE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (CACHE / "complete").exists():
            apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
            if not (apt and dpkg):
                raise StoreUnavailableError("nginx is not installed, and there is no apt to get it")
            shutil.rmtree(CACHE, ignore_errors=True)
            CACHE.mkdir()
            try:
                subprocess.run([apt, "download", "nginx"], check=True, cwd=CACHE, capture_output=True)
            except subprocess.CalledProcessError as error:
                raise StoreUnavailableError(f"apt has no nginx: {error.stderr!r}") from error
            (package,) = CACHE.glob("nginx_*.deb")
            subprocess.run([dpkg, "-x", package, CACHE], check=True)
            (CACHE / "complete").touch()
    return str(unpacked)
