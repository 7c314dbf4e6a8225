"""HTTP by hand over a socket: sends exactly the bytes it is given, and reads whole answers.

A client library would refuse to send most of what these tests send.
"""

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from types import TracebackType
from typing import Any, Self

import msgspec

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Connection:
    """One connection to nginx, as a context manager."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, server_name: str = "b2b.local") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._received = b""
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, method: str = "GET") -> Answer:
        """The next answer, whole. Use one call per connection unless the answer before it was read to its end."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        body = response.read()
        return Answer(response.status, response.headers, body)

    def receive_until(self, part: bytes) -> bool:
        """Whether `part` comes, before the server closes or says nothing for too long."""
        while part not in self._received:
            try:
                chunk = self.socket.recv(4096)
            except TimeoutError:
                return False
            if not chunk:
                return False
            self._received += chunk
        self._received = self._received.partition(part)[2]
        return True

    def rest(self) -> bytes:
        """All that comes until the server closes: nothing, if it just closes, kindly or not."""
        received = b""
        try:
            while chunk := self.socket.recv(65536):
                received += chunk
        except ConnectionError:
            pass
        return received


def request(
    port: int,
    target: str,
    method: str = "GET",
    body: bytes = b"",
    host: str = "b2b.local",
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One well-formed request on a connection of its own."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    with Connection(port, tls) as connection:
        connection.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return connection.receive(method)
