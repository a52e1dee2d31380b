"""A stand-in for a storage that speaks S3: moto's server, a process on a port of its own."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from agentpg.settings import Settings, load_settings
from tests.waiting import eventually

ACCESS_KEY = "AKIATESTTESTTESTTEST"
SECRET_KEY = "a-secret-that-nobody-may-see"

# Large objects are kept on disk, and no part of a host's name is taken for a bucket.
_BEHAVIOUR = {
    "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(4 * 1024**2),
    "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "1",
}


def read_models_once() -> None:
    """Let all clients in this process share what the vendor's library knows of the services.

    Each would read it anew, for ten times what the rest of a client costs.
    """
    from botocore import session  # type: ignore[import-untyped]

    session.create_loader = cache(session.create_loader)


class Storage:
    """One server with buckets; with `certificate` and `key` it speaks TLS only."""

    def __init__(
        self, folder: Path, *, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        self._log = folder / f"storage-{secrets.token_hex(4)}.log"
        self._ca: Path | None = None
        arguments = ["-H", "127.0.0.1", "-p", "0"]
        if certificate and key:
            arguments += ["-s", "-c", str(certificate), "-k", str(key)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "moto.server", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **_BEHAVIOUR},
            )
        self.port = eventually(self._find_port, 60, "the storage does not start")
        self.scheme = "https" if certificate else "http"

    def close(self) -> None:
        """End it, with all that it held."""
        self._process.kill()
        self._process.wait(30)

    def require_credentials(self) -> None:
        """From now on, look at keys, signatures and rights."""
        url = f"http://127.0.0.1:{self.port}/moto-api/reset-auth"
        kind = {"Content-Type": "text/plain"}
        request = urllib.request.Request(url, data=b"0", method="POST", headers=kind)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            assert answer.status == 200

    def client(self, service: str = "s3", **options: Any) -> Any:
        """A client of the vendor's own, to look behind ours."""
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]

        return boto3.session.Session(
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
        ).client(
            service,
            region_name="us-east-1",
            endpoint_url=f"{self.scheme}://127.0.0.1:{self.port}",
            config=Config(s3={"addressing_style": "path"}),
            **options,
        )

    @cached_property
    def _own_client(self) -> Any:
        """Made once: it reads all that the vendor says of the service."""
        return self.client()

    def new_bucket(self) -> str:
        """An empty bucket of a name that nobody else uses."""
        name = f"bucket-{secrets.token_hex(6)}"
        self._own_client.create_bucket(Bucket=name)
        return name

    def settings(self, bucket: str, *, port: int = 0, **options: object) -> Settings:
        """Settings of a repository in this bucket, reached through another port if need be."""
        return load_settings(**{**self.options(bucket, port=port), **options})

    def options(self, bucket: str, *, port: int = 0) -> Mapping[str, object]:
        """The same as options of the settings."""
        return {
            "backup_repository": f"s3://{bucket}/some/prefix",
            "backup_s3_endpoint": f"{self.scheme}://127.0.0.1:{port or self.port}",
            "backup_s3_access_key": ACCESS_KEY,
            "backup_s3_secret_key": SECRET_KEY,
        }

    def _find_port(self) -> int:
        said = self._log.read_text(encoding="utf-8", errors="replace")
        assert self._process.poll() is None, said
        found = re.search(r"Running on https?://127\.0\.0\.1:(\d+)", said)
        return int(found[1]) if found else 0
