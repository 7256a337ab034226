# SPDX-License-Identifier: BSD-2-Clause
"""HTTP requests to an exporter in a namespace."""

import http.client
import json
import socket

from harness import Exporter, equal

PORT = Exporter.PORT


def connect(namespace, port=PORT, receive_buffer=None, address="127.0.0.1"):
    """A TCP connection to an address of the namespace."""
    with namespace.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(120)
    sock.connect((address, port))
    return sock


def ask(namespace, path, method="GET", port=PORT, *, accept=None, headers=None, wrap=None,
        address="127.0.0.1"):
    """One request. Returns status, headers and body. `wrap`: makes TLS of the socket."""
    connection = http.client.HTTPConnection(address, port)
    connection.sock = connect(namespace, port, address=address)
    if wrap:
        connection.sock = wrap(connection.sock)
    connection.request(method, path, headers={**({"Accept": accept} if accept else {}), **(headers or {})})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, body


def get_json(namespace, path):
    """The JSON that is served there."""
    status, headers, body = ask(namespace, path)
    equal((status, headers["Content-Type"]), (200, "application/json; charset=utf-8"), f"{path}: {body[:200]}")
    return json.loads(body)
