"""Ports of a host, and of its containers, that are reached over one SSH connection."""

import socket
import threading

from towline.hosts.forward import Forward


class Transport:
    """Opens a channel as an SSH server would: to whatever is asked for."""

    def __init__(self):
        self.asked = []

    def open_channel(self, kind, there, peer):
        self.asked.append((kind, there))
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._echo, args=(ours,), daemon=True).start()
        return theirs

    def _echo(self, end):
        with end:
            while data := end.recv(64):
                end.sendall(data)
            end.shutdown(socket.SHUT_WR)


def test_a_port_of_a_container_is_reached_by_its_address():
    transport = Transport()
    for arguments, there in (((6379, "172.20.0.5"), ("172.20.0.5", 6379)),
                             ((8080,), ("127.0.0.1", 8080))):  # fmt: skip
        forward = Forward(lambda: transport, *arguments)
        with socket.create_connection(forward.address, timeout=5) as connection:
            connection.sendall(b"ping")
            assert connection.recv(64) == b"ping"
        forward.close()
        assert transport.asked[-1] == ("direct-tcpip", there)
