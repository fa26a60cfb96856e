"""The port of a server, taken before the server starts: one that is in use is said in one line, with what to do."""

from __future__ import annotations

import errno
import socket

from cnnrnn.utils.errors import UserError, summarize_error


def bind(host: str, port: int) -> list[socket.socket]:
    """A socket for each of the host's addresses, as asyncio's servers have them; they don't listen yet.

    Raises UserError for a port that is in use or not allowed, and for a host that is not this machine.
    """
    sockets: list[socket.socket] = []
    failed: OSError | None = None
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                sockets.append(_bound(family, kind, protocol, address))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    raise
                failed = error  # such as ::1 of "localhost" on a machine without IPv6
        if not sockets:
            raise failed or OSError("it has no address")
    except OSError as error:
        close(sockets)
        raise UserError(_advice(error, host, port)) from None
    return sockets


def close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def _bound(family: int, kind: int, protocol: int, address: tuple) -> socket.socket:
    new = socket.socket(family, kind, protocol)
    try:
        if hasattr(socket, "SO_REUSEPORT"):  # elsewhere (Windows) the option would take a port from its owner
            new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that has just ended leaves its port
        if family == socket.AF_INET6:
            new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        new.bind(address)
    except OSError:
        new.close()
        raise
    return new


def _advice(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else port - 1
        return (
            f"port {port} is in use: end the program that listens there, or choose another one, such as --port {other}"
        )
    if error.errno == errno.EACCES:
        return f"port {port} is not for everyone: choose one of at least 1024, such as --port 8000"
    return f"--host {host} is no address of this machine ({summarize_error(error)}); take 0.0.0.0 for all it has"
