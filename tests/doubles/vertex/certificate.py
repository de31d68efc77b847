"""A self-signed certificate for localhost."""

from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate(folder: Path) -> tuple[Path, Path]:
    """Returns a certificate for localhost and its key; makes them where there are none.

    gRPC reads its roots once in a process: doubles of the same process must have the same certificate.
    """
    path, key_path = folder / "certificate.pem", folder / "certificate.key"
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(timezone.utc)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
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
        encoding, style = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        key_path.write_bytes(key.private_bytes(encoding, style, serialization.NoEncryption()))
        path.write_bytes(signed.public_bytes(encoding))
    return path, key_path
