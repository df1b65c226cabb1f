"""A mail server that keeps what it is given, for tests in which another process sends the mail (RFC 5321)."""

import email
import email.policy
import socketserver
import threading
import time
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Letter:
    """One message as it was handed over; `message` is parsed, its body is `text`."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        """The decoded subject."""
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        """The plain text part."""
        part = self.message.get_body(("plain",))
        return "" if part is None else str(part.get_content())


class MailServer:
    """An SMTP server that runs while its `with` block does; `EMAIL_URL` is `.url`.

    `refusals` are recipients that it does not take, and what it answers then.
    """

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.refusals: dict[str, str] = {}
        self._arrived = threading.Condition()
        self._smtp = _Smtp(self)
        self.port = int(self._smtp.server_address[1])
        self.url = f"smtp://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._smtp.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def deliver(self, letter: Letter) -> None:
        """Keeps a letter and wakes who waits for one."""
        with self._arrived:
            self.letters.append(letter)
            self._arrived.notify_all()

    def letter_to(self, recipient: str, timeout: float = 10) -> Letter:
        """The latest letter to an address, waited for; `TimeoutError` when none comes."""
        until = time.monotonic() + timeout
        with self._arrived:
            while not (found := [letter for letter in self.letters if recipient in letter.recipients]):
                if not self._arrived.wait(until - time.monotonic()):
                    raise TimeoutError(f"No letter to {recipient} in {timeout} s; {len(self.letters)} to others.")
            return found[-1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._smtp.shutdown()
        self._smtp.server_close()
        self._thread.join()


class _Smtp(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, mail: MailServer) -> None:
        self.mail = mail
        super().__init__(("127.0.0.1", 0), _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    server: _Smtp

    def handle(self) -> None:
        self._say("220 localhost ESMTP")
        sender, recipients = "", list[str]()
        while line := self.rfile.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            match verb.upper():
                case "EHLO" | "HELO" | "RSET" | "NOOP":
                    self._say("250 OK")
                case "MAIL":
                    sender, recipients = _address(rest), []
                    self._say("250 OK")
                case "RCPT":
                    recipients.append(_address(rest))
                    self._say(self.server.mail.refusals.get(recipients[-1], "250 OK"))
                case "DATA":
                    self._say("354 End with a line that holds only a dot")
                    message = email.message_from_bytes(self._data(), policy=email.policy.default)
                    self.server.mail.deliver(Letter(sender, tuple(recipients), message))
                    self._say("250 OK")
                case "QUIT":
                    self._say("221 Bye")
                    return
                case _:
                    self._say("502 Not here")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def _data(self) -> bytes:
        """The message up to the lonely dot, with leading dots taken off again (RFC 5321 §4.5.2)."""
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


def _address(argument: str) -> str:
    """The address of `FROM:<a@b.c> SIZE=1`."""
    return argument.partition("<")[2].partition(">")[0]
