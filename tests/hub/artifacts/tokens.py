"""A giver of tokens that a real registry trusts: it knows one user and signs what it grants."""

import base64
import contextlib
import datetime as dt
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

ISSUER, SERVICE = "tests", "registry.tests"


class Giver:
    """Signs tokens; ``asked`` holds the queries it was sent, ``lifetime_s`` how long tokens hold."""

    def __init__(self, folder: Path, user: str, password: str) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.lifetime_s = 300
        self.right = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        now = dt.datetime.now(dt.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.bundle = folder / "bundle.pem"
        self.bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def token(self, scopes: list[str], actions: set[str]) -> str:
        """Return a signed token that grants ``actions`` within the scopes that are asked for."""
        access = []
        for scope in scopes:
            kind, name, wanted = scope.split(":")
            granted = [a for a in wanted.split(",") if a in actions]
            access.append({"type": kind, "name": name, "actions": granted})
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "x",
            "aud": SERVICE,
            "iat": now,
            "nbf": now - 5,
            "jti": str(len(self.asked)),
        }
        claims |= {"exp": now + self.lifetime_s, "access": access}
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        text = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(claims).encode())}"
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_encoded(signature)}"


@contextlib.contextmanager
def serve_tokens(giver: Giver):
    """Run the giver on this machine; yield its address. Who is not known may pull, and no more."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            giver.asked.append(query)
            right = self.headers.get("Authorization")
            if right not in (None, giver.right):
                self.send_error(401)
                return
            actions = {"pull", "push"} if right else {"pull"}
            body = json.dumps({"token": giver.token(query.get("scope", []), actions)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
