"""A certificate authority for one test run, made by openssl: nobody else believes it."""

import atexit
import os
import shutil
import ssl
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Signs certificates; `ca` is its own, to be believed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.crt"
        self._made: set[str] = set()
        _openssl(
            "req",
            "-x509",
            *_CURVE,
            "-subj",
            "/CN=Test CA",
            "-days",
            "2",
            "-keyout",
            folder / "ca.key",
            "-out",
            self.ca,
        )

    def believed(self) -> ssl.SSLContext:
        """TLS towards those whose certificates it signed."""
        return ssl.create_default_context(cafile=str(self.ca))

    def certificate(self, name: str, alternative: str = "IP:127.0.0.1", days: int = 2) -> tuple[Path, Path]:
        """The certificate of `name` (its common name) and its key, as files."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if name not in self._made:
            request, extension = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
            extension.write_text(f"subjectAltName={alternative}\n")
            _openssl("req", "-new", *_CURVE, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
            signed_by = ("-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial")
            _openssl(
                "x509",
                "-req",
                "-in",
                request,
                *signed_by,
                "-days",
                days,
                "-extfile",
                extension,
                "-out",
                certificate,
            )
            key.chmod(0o600)
            self._made.add(name)
        return certificate, key


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@cache
def authority(name: str = "lab") -> Authority:
    """The authority of this name, made when it is first asked for; skips where openssl is not installed."""
    if shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("openssl is not installed: apt-get install openssl")
        pytest.skip("openssl is not installed: apt-get install openssl")
    folder = Path(mkdtemp(prefix=f"emg-gateway-test-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Authority(folder)
