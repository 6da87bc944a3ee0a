"""HL7 over TLS against a real TLS receiver: who is let in, who is not, and what the log says then."""

import asyncio
import contextlib
import logging
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import ConfigError, Unavailable
from gateway.protocols.mllp import frame
from gateway.sinks.mllp_address import MllpAddress
from gateway.sinks.mllp_link import MllpLink, connected
from gateway.sinks.receiver import Receiver
from gateway.sinks.tls import TlsFiles, client_context, server_context
from tests.certificates import Authority, authority

MESSAGE = b"MSH|^~\\&|EMG|LAB|||20261102||ORU^R01^ORU_R01|C-1|P|2.5.1\r"
TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def house() -> Authority:
    return authority("house")


@pytest.fixture(scope="module")
def stranger() -> Authority:
    return authority("stranger")


def files(by: Authority, name: str, *, trusted: Authority | None = None, **changes: object) -> TlsFiles:
    cert, key = by.certificate(name, **changes)  # type: ignore[arg-type]
    return TlsFiles(cert_file=cert, key_file=key, ca_file=trusted.ca if trusted else None)


@pytest.fixture(scope="module")
def server(house: Authority) -> TlsFiles:
    return files(house, "server")


async def exchanged(port: int, tls: ssl.SSLContext | None) -> bytes:
    async with connected(MllpAddress("127.0.0.1", port), TIMEOUT_S, tls) as link:
        await link.send(MESSAGE)
        async with asyncio.timeout(TIMEOUT_S):
            return await link.next_block()


async def refused(port: int, tls: ssl.SSLContext | None) -> str:
    with pytest.raises(Unavailable) as caught:
        await exchanged(port, tls)
    told = str(caught.value)
    assert "\n" not in told
    return told.removeprefix(f"127.0.0.1:{port}: ")


@contextlib.contextmanager
def telling(context: ssl.SSLContext) -> Iterator[int]:
    """A server that says why it refuses a handshake, as most do and asyncio's does not; its port."""

    def serve() -> None:
        connection, _ = listening.accept()
        with contextlib.suppress(OSError), connection:
            connection.settimeout(TIMEOUT_S)
            context.wrap_socket(connection, server_side=True).recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
        listening.settimeout(TIMEOUT_S)
        serving = thread.submit(serve)
        yield listening.getsockname()[1]
        serving.result()


async def test_a_message_goes_out_and_its_answer_comes_back(house: Authority, server: TlsFiles) -> None:
    async with Receiver(tls=server_context(server)) as receiver:
        answer = await exchanged(receiver.port, client_context(TlsFiles(ca_file=house.ca)))
        assert b"MSA|AA|C-1" in answer
        assert receiver.messages.get_nowait().block == MESSAGE


async def test_nothing_older_than_tls_1_2_is_spoken(house: Authority, server: TlsFiles) -> None:
    old = server_context(server)
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1 is deprecated"):
        old.maximum_version = old.minimum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with telling(old) as port:
        told = await refused(port, client_context(TlsFiles(ca_file=house.ca)))
    assert told == "TLS: it speaks no TLS 1.2 or newer"


async def test_a_server_of_another_authority_is_refused(stranger: Authority, server: TlsFiles) -> None:
    async with Receiver(tls=server_context(server)) as receiver:
        told = await refused(receiver.port, client_context(TlsFiles(ca_file=stranger.ca)))
        assert told.startswith("its certificate is refused: ")
        assert receiver.messages.empty()


async def test_without_a_ca_file_the_system_s_authorities_count(server: TlsFiles) -> None:
    async with Receiver(tls=server_context(server)) as receiver:
        assert "its certificate is refused: " in await refused(receiver.port, client_context(TlsFiles()))


async def test_a_server_of_another_name_is_refused(house: Authority) -> None:
    other = server_context(files(house, "other", alternative="DNS:engine.example"))
    async with Receiver(tls=other) as receiver:
        told = await refused(receiver.port, client_context(TlsFiles(ca_file=house.ca)))
    assert "IP address mismatch" in told
    assert told.endswith("check ca_file and the name")


async def test_a_certificate_that_has_expired_is_refused(house: Authority) -> None:
    async with Receiver(tls=server_context(files(house, "expired", days=0))) as receiver:
        told = await refused(receiver.port, client_context(TlsFiles(ca_file=house.ca)))
    assert "expired" in told


async def test_a_receiver_that_speaks_no_tls_is_named_as_such(house: Authority) -> None:
    async def answer_in_the_clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(frame(MESSAGE))
        await hang_up(writer)

    listening = await asyncio.start_server(answer_in_the_clear, "127.0.0.1", 0)
    address = MllpAddress("127.0.0.1", listening.sockets[0].getsockname()[1])
    with pytest.raises(Unavailable, match="it does not speak TLS; switch TLS on there"):
        async with connected(address, TIMEOUT_S, client_context(TlsFiles(ca_file=house.ca))):
            pass
    listening.close()
    await listening.wait_closed()


async def test_a_receiver_that_says_nothing_in_the_handshake_is_given_up(house: Authority) -> None:
    async with mute() as address:
        with pytest.raises(Unavailable, match="no answer"):
            async with connected(address, 0.1, client_context(TlsFiles(ca_file=house.ca))):
                pass


@contextlib.asynccontextmanager
async def mute() -> AsyncIterator[MllpAddress]:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await hang_up(writer)
        done.set()

    done = asyncio.Event()
    listening = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield MllpAddress("127.0.0.1", listening.sockets[0].getsockname()[1])
    listening.close()
    await listening.wait_closed()
    await done.wait()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.close()
        await writer.wait_closed()


async def test_a_receiver_that_asks_gets_our_certificate(house: Authority, server: TlsFiles) -> None:
    asking = server_context(TlsFiles(ca_file=house.ca, cert_file=server.cert_file, key_file=server.key_file))
    async with Receiver(tls=asking) as receiver:
        answer = await exchanged(receiver.port, client_context(files(house, "gateway", trusted=house)))
    assert b"MSA|AA|C-1" in answer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_without_a_certificate_a_receiver_that_asks_gets_nothing(
    house: Authority, server: TlsFiles, version: ssl.TLSVersion
) -> None:
    asking = server_context(TlsFiles(ca_file=house.ca, cert_file=server.cert_file, key_file=server.key_file))
    asking.maximum_version = version
    with telling(asking) as port:
        told = await refused(port, client_context(TlsFiles(ca_file=house.ca)))
    assert "set cert_file and key_file" in told
    async with Receiver(tls=asking) as receiver:
        await refused(receiver.port, client_context(TlsFiles(ca_file=house.ca)))
        assert receiver.messages.empty()


async def test_a_certificate_of_another_authority_is_not_let_in(
    house: Authority, stranger: Authority, server: TlsFiles
) -> None:
    asking = server_context(TlsFiles(ca_file=house.ca, cert_file=server.cert_file, key_file=server.key_file))
    foreign = client_context(files(stranger, "gateway", trusted=house))
    with telling(asking) as port:
        told = await refused(port, foreign)
    assert told == "TLS: it does not trust our certificate; its CA list must hold our issuer"
    async with Receiver(tls=asking) as receiver:
        await refused(receiver.port, foreign)
        assert receiver.messages.empty()


async def test_a_receiver_that_hangs_up_in_the_handshake_is_told_of(house: Authority) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)  # all of the hello: what is left unread would become a reset
        await hang_up(writer)

    listening = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    told = await refused(port, client_context(TlsFiles(ca_file=house.ca)))
    assert told.startswith("it hung up during the TLS handshake; ")
    listening.close()
    await listening.wait_closed()


async def test_a_refused_handshake_is_no_error_of_the_receiver(
    house: Authority, stranger: Authority, server: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with Receiver(tls=server_context(server)) as receiver:
        await refused(receiver.port, client_context(TlsFiles(ca_file=stranger.ca)))
        await exchanged(receiver.port, client_context(TlsFiles(ca_file=house.ca)))
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_connection_that_the_receiver_closes_is_noticed(house: Authority, server: TlsFiles) -> None:
    async with Receiver(tls=server_context(server)) as receiver:
        context = client_context(TlsFiles(ca_file=house.ca))
        async with connected(MllpAddress("127.0.0.1", receiver.port), TIMEOUT_S, context) as link:
            await link.send(MESSAGE)
            await link.next_block()
            await receiver.__aexit__(None, None, None)
            await _gone(link)
            with pytest.raises(Unavailable, match="closed the connection"):
                await link.send(MESSAGE)


async def _gone(link: MllpLink) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        await link.wait_lost()


def test_files_that_cannot_be_used_are_named(tmp_path: Path, house: Authority, server: TlsFiles) -> None:
    assert server.cert_file is not None
    other_key = house.certificate("another")[1]
    noise = tmp_path / "noise.pem"
    noise.write_text("no certificate", "utf-8")
    cases = [
        (TlsFiles(ca_file=tmp_path / "none.pem"), "none.pem: No such file"),
        (TlsFiles(ca_file=tmp_path), "Is a directory"),
        (TlsFiles(ca_file=noise), "noise.pem: holds no CA certificate in PEM"),
        (TlsFiles(cert_file=tmp_path / "none.pem"), "none.pem: No such file"),
        (TlsFiles(cert_file=noise, key_file=other_key), "no certificate and key in PEM"),
        (TlsFiles(cert_file=server.cert_file, key_file=tmp_path / "none.key"), "none.key: No such file"),
        (TlsFiles(cert_file=server.cert_file, key_file=other_key), "is not the key of the certificate"),
        (TlsFiles(key_file=other_key), "a key without cert_file"),
    ]
    noise.chmod(0o600)
    for given, told in cases:
        with pytest.raises(ConfigError, match=told):
            client_context(given)


def test_a_server_needs_a_certificate() -> None:
    with pytest.raises(ConfigError, match="needs cert_file and key_file"):
        server_context(TlsFiles())


def test_a_key_that_everyone_can_read_is_refused(house: Authority) -> None:
    given = files(house, "open")
    assert given.key_file is not None
    given.key_file.chmod(0o644)
    with pytest.raises(ConfigError, match=r"open\.key: everyone .* chmod o-r"):
        client_context(given)


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path: Path, house: Authority) -> None:
    cert, key = house.certificate("locked")
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:swordfish"]
    subprocess.run(command, check=True, capture_output=True)
    locked.chmod(0o600)
    with pytest.raises(ConfigError, match="the key without a password"):
        client_context(TlsFiles(cert_file=cert, key_file=locked))


def test_certificate_and_key_may_stand_in_one_file(tmp_path: Path, house: Authority) -> None:
    cert, key = house.certificate("both")
    both = tmp_path / "both.pem"
    both.touch(0o600)
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    client_context(TlsFiles(cert_file=both))


def test_a_key_that_cannot_be_read_is_named(tmp_path: Path, house: Authority) -> None:
    cert, _ = house.certificate("unreadable")
    with pytest.raises(ConfigError, match=f"^{tmp_path}: Is a directory$"):
        client_context(TlsFiles(cert_file=cert, key_file=tmp_path))
