"""Where a key may be sent, and that it is sent there only."""

import datetime
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.test import Client
from pytest_django import Settings

from apikeys.addresses import clean_base_url
from apikeys.models import ApiKey
from apikeys.providers import KeyRefusedError
from tests.apikeys.conftest import SECRETS, at, call
from tests.servers.providers import OpenAI
from wavelength import outgoing

HOST = "llm.example.com"


@pytest.mark.parametrize("url", ["http://localhost:1234/v1", "http://127.0.0.1:1234", "http://[::1]:1234/v1"])
def test_plain_http_leads_to_this_machine_only_and_only_when_allowed(url: str, settings: Settings) -> None:
    with pytest.raises(KeyRefusedError):
        clean_base_url(url)

    settings.ALLOW_PRIVATE_PROVIDER_ADDRESSES = True

    assert clean_base_url(url) == url
    with pytest.raises(KeyRefusedError):
        clean_base_url("http://192.168.0.7:1234/v1")
    with pytest.raises(KeyRefusedError):
        clean_base_url("https://169.254.169.254/latest")
    assert clean_base_url("https://192.168.0.7:1234/v1")


def certificate(directory: Path, host: str) -> tuple[Path, Path]:
    """A self-signed certificate for this host, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = directory / "certificate.pem", directory / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private


@pytest.mark.parametrize(
    ("named", "believed", "works"), [(HOST, True, True), ("other.example.com", True, None), (HOST, False, None)]
)
def test_the_certificate_is_the_hosts_though_its_address_is_called(
    as_alice: Client,
    add: Callable[..., ApiKey],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    named: str,
    believed: bool,
    works: bool | None,
) -> None:
    public, private = certificate(tmp_path, named)
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(public, private)
    trust = httpx.create_ssl_context(trust_env=False)
    if believed:
        trust.load_verify_locations(public)
    monkeypatch.setattr(outgoing, "_trusted", lambda: trust)
    asked: list[str] = []

    def resolves(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    settings.ALLOW_PRIVATE_PROVIDER_ADDRESSES = True
    with OpenAI(SECRETS["openai"]) as server:
        server._http.socket = here.wrap_socket(server._http.socket, server_side=True, do_handshake_on_connect=False)
        key = add(base_url=f"https://{HOST}:{server.port}/v1")
        with monkeypatch.context() as patched:
            patched.setattr("wavelength.outgoing.socket.getaddrinfo", resolves)
            shown = call(as_alice, "post", at(key.pk, "validation"))[1]["data"]
        received = list(server.received)

    assert shown["isValid"] is works
    # The name is looked up once; what is called is the address that was checked.
    assert asked == [HOST]
    if works:
        assert received[0].header("Host") == f"{HOST}:{server.port}"
    else:
        assert received == []
        assert "No connection" in shown["validationError"]
