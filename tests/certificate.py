"""A self-signed certificate for localhost, and for hosts that a test stands in for."""

from datetime import datetime, timedelta, timezone
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def write_certificate(folder: Path, *hosts: str) -> tuple[Path, Path]:
    """Writes a certificate for localhost and other hosts, and its key, in PEM; gives their paths.

    It is the same for a process' whole life, because gRPC's clients read their roots only once.
    """
    paths = folder / "certificate.pem", folder / "certificate.key"
    for path, content in zip(paths, _made(*hosts), strict=True):
        path.write_bytes(content)
    return paths


@cache
def _made(*hosts: str) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    names = x509.SubjectAlternativeName([*map(x509.DNSName, ("localhost", *hosts)), x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    return signed.public_bytes(encoding), key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
