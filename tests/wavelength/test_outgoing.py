"""wavelength.outgoing, against servers that run here and name services that lie."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.servers.local import LocalServer, Received, Reply
from wavelength.outgoing import Answer, Failure, OutgoingError, call, parse, post
from wavelength.ranges import SPECIAL, Reach, special_kind

PUBLIC = "93.184.215.14"
PRIVATE = "10.0.0.7"


class Other(LocalServer):
    """Answers what it heard, redirects, or does not stop."""

    def answer(self, request: Received) -> Reply:
        if request.path == "/redirect":
            return Reply(307, headers={"Location": f"{self.url}/elsewhere"})
        if request.path == "/endless":
            return Reply(200, self._endless())
        if request.path == "/heads":
            return Reply(200, b"", {f"X-{number}": "a" * 1000 for number in range(500)})
        return Reply(200, request.body or b"hello", {"X-Said": request.header("Host")})

    def _endless(self) -> Iterator[bytes]:
        while not self.stopping.is_set():
            yield b"a" * 65536


@pytest.fixture
def other() -> Iterator[Other]:
    with Other() as server:
        yield server


@contextmanager
def dripping(first: bytes, drop: bytes) -> Iterator[str]:
    """A server that sends `first` at once and then `drop` ten times a second, for ever."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                try:
                    line.sendall(first)
                    while not ended.wait(0.1):
                        line.sendall(drop)
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        thread.join(5)


def ask(url: str, *, timeout: float = 5, most: int = 1000, reach: Reach = Reach.INSIDE, **more: Any) -> Answer:
    return call("GET", url, timeout=timeout, most=most, reach=reach, **more)


def failure(url: str, **more: Any) -> Failure:
    with pytest.raises(OutgoingError) as caught:
        ask(url, **more)
    return caught.value.failure


Resolves = Callable[..., list[str]]


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Resolves:
    """Let the name service answer these addresses, each time the next list; answers the hosts it was asked for."""

    def set_up(*answers: list[str]) -> list[str]:
        asked: list[str] = []

        def answer(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            found = answers[min(len(asked), len(answers)) - 1]
            families = {4: socket.AF_INET, 6: socket.AF_INET6}
            return [(families[ip_address(a).version], socket.SOCK_STREAM, 6, "", (a, port)) for a in found]

        monkeypatch.setattr("wavelength.outgoing.socket.getaddrinfo", answer)
        return asked

    return set_up


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where was connected to; every connection fails."""
    seen: list[str] = []

    class Deaf(socket.socket):
        def connect(self, address: Any) -> None:
            seen.append(address[0])
            raise ConnectionRefusedError

    monkeypatch.setattr("wavelength.outgoing.socket.socket", Deaf)
    return seen


def test_it_works(other: Other) -> None:
    answer = ask(f"{other.url}/a%20path?with=query", headers={"X-Mine": "1"})

    assert (answer.status, answer.body, answer.cut) == (200, b"hello", False)
    assert answer.headers["x-said"] == f"127.0.0.1:{other.port}"
    received = other.received[0]
    assert (received.method, received.path, received.query) == ("GET", "/a%20path", {"with": "query"})
    assert (received.header("X-Mine"), received.header("User-Agent")) == ("1", "Wavelength")


def test_something_is_posted(other: Other) -> None:
    status = post(f"{other.url}/hook", body=b'{"a": 1}', headers={"X-A": "1"}, timeout=5, reach=Reach.INSIDE)

    assert status == 200
    received = other.received[0]
    assert (received.method, received.body, received.header("Content-Length")) == ("POST", b'{"a": 1}', "8")


def test_a_redirect_is_not_followed(other: Other) -> None:
    with Other() as second:
        other.url = second.url
        answer = ask(f"http://127.0.0.1:{other.port}/redirect")

        assert (answer.status, answer.headers["location"]) == (307, f"{second.url}/elsewhere")
        assert second.received == []


def test_an_endless_body_is_cut(other: Other) -> None:
    answer = ask(f"{other.url}/endless", most=100_000)

    assert (len(answer.body), answer.cut) == (100_000, True)
    assert post(f"{other.url}/endless", body=b"", headers={}, timeout=5, reach=Reach.INSIDE) == 200


def test_endless_headers_are_not_read(other: Other) -> None:
    assert failure(f"{other.url}/heads") is Failure.BROKEN


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX-Drip: ", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status", "header", "body", "chunks", "continue"],
)
def test_what_drips_ends_in_time(first: bytes, drop: bytes) -> None:
    with dripping(first, drop) as place:
        began = time.monotonic()

        assert failure(f"http://{place}/", timeout=0.6, most=10**6) in {Failure.LATE, Failure.BROKEN}

    assert time.monotonic() - began < 2


def test_a_handshake_that_never_ends_ends_in_time() -> None:
    # The beginning of a record of 16 kB.
    with dripping(b"\x16\x03\x03\x40\x00", b"\x02") as place:
        began = time.monotonic()

        assert failure(f"https://{place}/", timeout=0.6) is Failure.NO_CONNECTION

    assert time.monotonic() - began < 2


def test_a_body_that_nobody_takes_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        with pytest.raises(OutgoingError) as caught:
            post(url, body=b"a" * 50_000_000, headers={}, timeout=0.6, reach=Reach.INSIDE)

    assert caught.value.failure in {Failure.LATE, Failure.BROKEN}
    assert time.monotonic() - began < 2


def test_a_place_that_does_not_take_the_call_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as waiting:
        for _ in range(3):
            # Fills the queue, so that the next one is not taken.
            line = waiting.enter_context(socket.socket())
            line.setblocking(False)
            line.connect_ex(listener.getsockname())
        began = time.monotonic()

        assert failure(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.4) is Failure.NO_CONNECTION

    assert time.monotonic() - began < 2


def test_a_name_service_that_sleeps_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asleep = threading.Event()
    monkeypatch.setattr("wavelength.outgoing.socket.getaddrinfo", lambda *_, **__: [asleep.wait(20)])
    began = time.monotonic()

    assert failure("https://llm.example.com/", timeout=0.3) is Failure.LATE

    asleep.set()
    assert time.monotonic() - began < 2


def test_a_name_is_looked_up_once(other: Other, resolves: Resolves) -> None:
    asked = resolves(["127.0.0.1"], [PRIVATE])

    answer = ask(f"http://llm.example.com:{other.port}/")

    assert answer.headers["x-said"] == f"llm.example.com:{other.port}"
    assert asked == ["llm.example.com"]


def test_a_second_answer_of_the_name_service_leads_nowhere(resolves: Resolves, connected: list[str]) -> None:
    asked = resolves([PUBLIC], [PRIVATE])

    assert failure("https://llm.example.com/", reach=Reach.PUBLIC) is Failure.NO_CONNECTION

    assert (asked, connected) == (["llm.example.com"], [PUBLIC])


@pytest.mark.parametrize("found", [[PUBLIC, PRIVATE], [PRIVATE, PUBLIC], [PRIVATE], ["::1"], [PUBLIC, "fe80::1%1"]])
def test_one_private_address_is_enough_to_refuse(found: list[str], resolves: Resolves, connected: list[str]) -> None:
    resolves(found)

    assert failure("https://llm.example.com/", reach=Reach.PUBLIC) is Failure.NOT_ALLOWED
    assert connected == []


def test_every_public_address_of_a_name_is_tried(resolves: Resolves, connected: list[str]) -> None:
    resolves([PUBLIC, "8.8.8.8", PUBLIC, "2606:4700::1111"])

    failure("https://llm.example.com/", reach=Reach.PUBLIC)

    assert connected == [PUBLIC, "8.8.8.8", "2606:4700::1111"]


def test_a_place_that_does_not_answer_is_passed_over(other: Other, resolves: Resolves) -> None:
    resolves(["127.0.0.9", "127.0.0.1"])

    assert ask(f"http://llm.example.com:{other.port}/").status == 200


def test_a_name_that_nobody_knows_is_told() -> None:
    assert failure("https://nowhere.invalid/") is Failure.UNKNOWN_HOST


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "localhost", "LOCALHOST"])
@pytest.mark.parametrize("end", ["", "."])
def test_other_ways_to_write_this_machine_lead_nowhere(host: str, end: str) -> None:
    assert failure(f"https://{host}{end}/v1", reach=Reach.PUBLIC) in {Failure.NOT_ALLOWED, Failure.UNKNOWN_HOST}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[::7f00:1]"]
)
def test_private_literals_lead_nowhere(host: str, connected: list[str]) -> None:
    assert failure(f"https://{host}/", reach=Reach.PUBLIC) is Failure.NOT_ALLOWED
    assert connected == []


def test_the_internet_is_called_by_https_alone(connected: list[str]) -> None:
    assert failure(f"http://{PUBLIC}/", reach=Reach.PUBLIC) is Failure.NO_ADDRESS
    assert connected == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "llm.example.com",
        "//llm.example.com/",
        "ftp://llm.example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/",
        "unix:/run/docker.sock",
        "https://",
        "https:///path",
        "https://user@llm.example.com/",
        "https://user:word@llm.example.com/",
        "https://llm.example.com@127.0.0.1/",
        "https://llm.example.com\\@127.0.0.1/",
        "https://llm.example.com#@127.0.0.1/",
        "https://llm.example.com/#part",
        "https://llm.example.com:0/",
        "https://llm.example.com:65536/",
        "https://llm.example.com:-1/",
        "https://llm.example.com:80:80/",
        "https://llm.example.com:port/",
        "https://llm.example.com /",
        "https://llm.example.com/a b",
        "https://llm.example.com/\r\nHost: other",
        "https://llm.example.com/\x00",
        "https://llm.exämple.com/",
        "https://llm.example.com\u2044@127.0.0.1/",
        "https://①②⑦.0.0.1/",
        "https://%31%32%37.0.0.1/",
        "https://.example.com/",
        "https://llm..example.com/",
        "https://[::1/",
        "https://::1]/",
        "https://[::1]x/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[127.0.0.1]/",
        "https://[v1.a]/",
        "https://" + "a" * 2000 + "/",
    ],
)
def test_tricks_are_no_addresses(url: str, resolves: Resolves) -> None:
    asked = resolves([PUBLIC])

    assert failure(url, reach=Reach.ANYWHERE) is Failure.NO_ADDRESS
    assert asked == []


@pytest.mark.parametrize(
    ("url", "host", "authority"),
    [
        ("https://LLM.Example.com", "llm.example.com", "llm.example.com"),
        ("https://llm.example.com:443/", "llm.example.com", "llm.example.com"),
        ("https://llm.example.com:8443/", "llm.example.com", "llm.example.com:8443"),
        ("http://[2606:4700::1111]:443/", "2606:4700::1111", "[2606:4700::1111]:443"),
        ("https://my_host/", "my_host", "my_host"),
    ],
)
def test_the_header_host_is_the_names(url: str, host: str, authority: str) -> None:
    target = parse(url)
    assert (target.host, target.authority, target.path) == (host, authority, "/")


def test_an_ipv6_literal_is_called() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("This machine has no IPv6.")
    heard: list[bytes] = []

    def serve() -> None:
        line, _ = listener.accept()
        with line:
            heard.append(line.recv(10_000))
            line.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        port = listener.getsockname()[1]
        assert ask(f"http://[::1]:{port}/").status == 204

    assert f"Host: [::1]:{port}\r\n".encode() in heard[0]


def test_a_certificate_that_nobody_vouches_for_ends_it(other: Other) -> None:
    assert failure(f"https://127.0.0.1:{other.port}/") is Failure.NO_CONNECTION
    assert other.received == []
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


BLOCKS = [(kind, block) for kind, blocks in SPECIAL.items() for block in blocks]


@pytest.mark.parametrize(("kind", "block"), BLOCKS)
def test_no_special_network_is_public(kind: str, block: str) -> None:
    network = ip_network(block)
    for address in (network.network_address, network[network.num_addresses // 2], network.broadcast_address):
        assert special_kind(address) is not None
        assert not Reach.PUBLIC.allows(address)
        assert Reach.ANYWHERE.allows(address)


# What the list has to know, address by address, whatever its blocks are called.
@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1",
        "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
        "240.0.0.1", "255.255.255.255",
        "::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
        "64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "100::1",
        "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
        "2002::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "8000::1",
        "fc00::1", "fd12:3456::1", "fe80::1", "febf::1", "fec0::1", "feff::1", "ff02::1", "ff0e::1",
    ],
)  # fmt: skip
def test_special_addresses_are_not_called(address: str) -> None:
    assert not Reach.PUBLIC.allows(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:200::1", "2001:4860:4860::8888", "2003::1",
        "2606:4700::1111", "2a00::1",
    ],
)  # fmt: skip
def test_their_neighbours_are_the_internet(address: str) -> None:
    assert Reach.PUBLIC.allows(ip_address(address))


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("127.0.0.1", True), ("::1", True),
        ("10.0.0.1", True), ("100.64.0.1", True), ("fd00::1", True), ("8.8.8.8", True),
        ("169.254.169.254", False), ("fe80::1", False), ("0.0.0.0", False), ("::", False), ("224.0.0.1", False),
        ("::ffff:127.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("255.255.255.255", False),
    ],
)  # fmt: skip
def test_a_development_setting_opens_private_networks_and_no_others(address: str, inside: bool) -> None:
    assert Reach.INSIDE.allows(ip_address(address)) is inside
