"""A way to PostgreSQL that can be cut, or fall silent as a network does whose other end is gone."""

import ctypes
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Linux, asm-generic/socket.h and linux/bpf_common.h: a filter of one instruction, which lets nothing in. Dropped before
# TCP sees them, segments are not even acknowledged, and no SYN is answered.
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
_DROP = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
_PROGRAM = struct.pack("HL", 1, ctypes.addressof(_DROP))


class Proxy:
    """Listens on a port of this machine and passes on to a Unix socket."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._passing = threading.Event()
        self._passing.set()
        self._near: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = _listening(0)
        self.port: int = self._listener.getsockname()[1]
        self._accept_on(self._listener)

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        self._close(self._listener)
        with self._lock:
            for near in self._near:
                self._close(near)

    def join(self) -> None:
        """After `cut`: take connections again."""
        self._listener = _listening(self.port)
        self._accept_on(self._listener)

    def fall_silent(self) -> None:
        """Let nothing in or out, and tell nobody."""
        self._passing.clear()
        with self._lock:
            for near in (self._listener, *self._near):
                with suppress(OSError):
                    near.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, _PROGRAM)

    def speak(self) -> None:
        """After `fall_silent`: go on with what is still there."""
        with self._lock:
            for near in (self._listener, *self._near):
                with suppress(OSError):
                    near.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        self._passing.set()

    def _accept_on(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                far = socket.socket(socket.AF_UNIX)
                try:
                    far.connect(self._target)
                except OSError:
                    near.close()
                    continue
                with self._lock:
                    self._near.add(near)
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, target, near), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                self._passing.wait()
                target.sendall(piece)
        with self._lock:
            self._near.discard(near)
        for end in (source, target):
            self._close(end)

    @staticmethod
    def _close(end: socket.socket) -> None:
        # Without the shutdown, a thread that waits for it would go on waiting.
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def proxied(target: str) -> Iterator[Proxy]:
    """A proxy to this Unix socket for as long as the block lasts."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.speak()
        proxy.cut()


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener
