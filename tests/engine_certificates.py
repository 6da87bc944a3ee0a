"""A small certificate authority for tests: openssl makes keys that live as long as the test run."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """A CA in a folder of its own; `issue` gives certificates that it signs."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, *, subject_name: str = "IP:127.0.0.1", days: int = 2) -> tuple[Path, Path]:
        """A certificate for `subject_name` and its key."""
        cert, key, request = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={subject_name}\n", "utf-8")
        _openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signed_by = ("-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial")
        _openssl(
            "x509", "-req", "-in", request, *signed_by, "-extfile", extensions, "-days", days, "-out", cert
        )
        return cert, key


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def authority(folder: Path) -> Authority:
    """A new CA."""
    folder.mkdir()
    made = Authority(folder)
    subject = ("-subj", f"/CN={folder.name}", "-keyout", folder / "ca.key", "-out", made.ca)
    _openssl("req", "-x509", *_NEW_KEY, "-days", 2, *subject)
    return made


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
