"""Self-signed certificates, made by openssl."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Certificate:
    """``context`` serves it; ``file`` has it; ``expires_at`` is in ms; ``asked_for`` is what clients named."""

    context: ssl.SSLContext
    file: Path
    expires_at: int
    asked_for: list[str | None]


def make_certificate(folder: Path, *more: str) -> Certificate:
    """``more`` are arguments of ``openssl req``."""
    key, file = folder / "key.pem", folder / "cert.pem"
    made = ["-keyout", key, "-out", file, "-subj", "/CN=localhost", *more]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", *made]
    subprocess.run(command, check=True, capture_output=True)
    shown = subprocess.run(["openssl", "x509", "-in", file, "-noout", "-enddate"], check=True, capture_output=True)
    expires_at = ssl.cert_time_to_seconds(shown.stdout.decode().removeprefix("notAfter=").strip()) * 1000
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    asked_for: list[str | None] = []
    context.sni_callback = lambda _object, name, _context: asked_for.append(name)
    return Certificate(context, file, expires_at, asked_for)
