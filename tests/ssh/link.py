"""The connection between this machine and one host: a proxy on loopback that can be cut, broken off or slowed down."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

CHUNK = 16384


class Link:
    """Leads from `port` to the host's own port. It runs in threads of the test and ends with it."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.latency = 0.0
        """Delay of each piece of data in seconds, one way."""
        self.rate = 0.0
        """Bytes per second, per direction and connection; 0: unlimited."""
        self.carried = 0
        """Bytes so far, in both directions."""
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Stop all traffic silently, as if a cable were unplugged. Data on its way arrives after `join`."""
        self._flows.clear()

    def join(self) -> None:
        self._flows.set()

    def break_off(self) -> None:
        """End all connections at once; new ones are possible."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            _close(end)

    def close(self) -> None:
        _close(self._listener)
        self.break_off()
        self._flows.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=[near], daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._flows.wait()
        self.connections += 1
        try:
            far = socket.create_connection(("127.0.0.1", self._target))
        except OSError:  # the host is down
            _close(near)
            return
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open |= {near, far}
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=[source, sink], daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if self.latency or self.rate:
                    time.sleep(self.latency + (len(data) / self.rate if self.rate else 0.0))
                self._flows.wait()
                sink.sendall(data)
                self.carried += len(data)
        self._flows.wait()
        with self._lock:
            self._open -= {source, sink}
        _close(source)
        _close(sink)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
