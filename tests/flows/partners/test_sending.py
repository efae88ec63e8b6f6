"""The client connects to the address that was checked, while the name is what the certificate must be for."""

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.domain.partners.sending import WebhookClient
from tests.support.receiver import running_receiver


def certificate_for(name: str, folder: Path) -> Path:
    """A certificate for a name, signed by itself, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def client_and_server(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, ssl.SSLContext]:
    """What the client trusts, a server that is `localhost`, and one that is somebody else."""
    right, wrong = certificate_for("localhost", tmp_path), certificate_for("other.example", tmp_path)
    trust = ssl.create_default_context()
    servers = []
    for file in (right, wrong):
        trust.load_verify_locations(file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        servers.append(context)
    return trust, servers[0], servers[1]


async def test_the_certificate_must_be_the_names_though_the_connection_goes_to_an_address(
    client_and_server: tuple[ssl.SSLContext, ssl.SSLContext, ssl.SSLContext],
) -> None:
    trust, right, wrong = client_and_server
    client = WebhookClient(trust=trust)
    async with running_receiver(tls=right) as receiver:
        answer = await client.post(f"https://localhost:{receiver.port}/hook", headers={}, body="{}", loopback_allowed=True)
        assert (answer.status, answer.error, answer.taken) == (204, "", True)
        assert receiver.received[0].headers["host"] == f"localhost:{receiver.port}"
    async with running_receiver(tls=wrong) as receiver:
        answer = await client.post(f"https://localhost:{receiver.port}/hook", headers={}, body="{}", loopback_allowed=True)
        assert answer.status is None
        assert receiver.received == []


async def test_a_name_that_leads_inwards_is_not_connected_to() -> None:
    async with running_receiver() as receiver:
        answer = await WebhookClient().post(f"http://localhost:{receiver.port}/hook", headers={}, body="{}", loopback_allowed=False)
        assert (answer.status, receiver.received) == (None, [])
        assert "this machine" in answer.error


async def test_nobody_there_is_an_answer_and_no_exception() -> None:
    async with running_receiver() as receiver:
        port = receiver.port
    answer = await WebhookClient().post(f"http://127.0.0.1:{port}/hook", headers={}, body="{}", loopback_allowed=True)
    assert answer.status is None
    assert "connection failed" in answer.error
