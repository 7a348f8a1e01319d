"""A small TCP server: ``listen.py NAME PORT...`` greets every connection with NAME and closes it.

Listens on every address of both families; writes ``ready`` once all ports are open.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys


def main() -> None:
    """Serve until killed."""
    name, ports = sys.argv[1], [int(word) for word in sys.argv[2:]]
    selector = selectors.DefaultSelector()
    for port in ports:
        selector.register(listen(port), selectors.EVENT_READ)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for key, _ in selector.select():
            assert isinstance(key.fileobj, socket.socket)
            greet(key.fileobj, name)


def listen(port: int) -> socket.socket:
    """A socket that accepts connections to ``port`` over IPv6 and IPv4."""
    listener = socket.create_server(
        ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512, reuse_port=False
    )
    listener.setblocking(False)
    return listener


def greet(listener: socket.socket, name: str) -> None:
    """Accept one connection; ignores a client that has already gone."""
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        with connection:
            connection.sendall(f"this is {name}\n".encode())


if __name__ == "__main__":
    main()
