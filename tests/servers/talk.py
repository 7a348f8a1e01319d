"""A server that answers HTTP and TLS, each connection in a thread of its own.

``talk.py CERTIFICATE MILLISECONDS TLS-PORT [HTTP-PORT]``: CERTIFICATE is a PEM file with its key; it thinks
for so long. Writes ``ready`` once it listens.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from contextlib import suppress

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"


def serve(connected: socket.socket, tls: ssl.SSLContext | None, delay: float) -> None:
    with suppress(OSError), connected:
        if tls is not None:
            heard = connected.recv(1, socket.MSG_PEEK)
            time.sleep(delay)
            if heard:
                tls.wrap_socket(connected, server_side=True).recv(100)
            return
        heard = b""
        while not heard.endswith(b"\r\n\r\n"):
            new = connected.recv(65536)
            if not new:
                return
            heard += new
        time.sleep(delay)
        connected.sendall(ANSWER)
        connected.recv(1)


def main(certificate: str, milliseconds: str, *ports: str) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    delay = int(milliseconds) / 1000
    for port, context in zip(ports, (tls, None), strict=False):
        listening = socket.create_server(
            ("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64
        )
        threading.Thread(target=accept, args=(listening, context, delay)).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def accept(listening: socket.socket, tls: ssl.SSLContext | None, delay: float) -> None:
    while True:
        connected, _ = listening.accept()
        threading.Thread(target=serve, args=(connected, tls, delay), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
