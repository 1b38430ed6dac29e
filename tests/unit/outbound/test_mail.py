# SPDX-License-Identifier: Apache-2.0
"""Mail against a real SMTP server."""
import contextlib
import re
import socket
import threading

import pytest

from driver import Driver, make_certificate
from doubles.smtp_double import SmtpDouble

FROM = "Muster <muster@example.org>"
EINVAL, EAGAIN = 22, 11


def drive(smtp, **more):
    outer = {"ca_file": more.pop("ca_file")} if "ca_file" in more else {}
    return Driver(smtp={"url": smtp.url, "from": FROM, "starttls": "never",
                        "backoff_base_ms": 5, "backoff_cap_ms": 20, **more}, **outer)


def send(driver, number=1, to="ada@example.org", subject="Reset", text="Hello\n"):
    driver.tell(do="mail", id=number, to=to, subject=subject, text=text)
    return driver


def ended(driver, number=1):
    return driver.wait("mail", id=number)


def test_a_mail_arrives_as_it_was_written():
    text = ("Grüße,\n\n.\n..dots\nFrom here\n" + "x" * 2000 + "\ntrailing \n=3D literally\n"
            + "ä" * 500 + "\n")
    subject = "Gerät „Küche“ schweigt seit 40 Minuten, und das ist eine lange Betreffzeile"
    with SmtpDouble() as smtp, drive(smtp) as driver:
        send(driver, subject=subject, text=text)
        result = ended(driver)
        assert (result["outcome"], result["tries"], result["error"]) == ("sent", 1, "")
        mail, = smtp.mails
        assert mail["from"] == "muster@example.org" and mail["to"] == ["ada@example.org"]
        message = mail["message"]
        assert message["Subject"] == subject
        assert str(message["From"]) == FROM and str(message["To"]) == "ada@example.org"
        assert message["Date"].datetime.utcoffset().total_seconds() == 0
        assert re.fullmatch(r"<[0-9a-f]{32}@example\.org>", message["Message-ID"])
        assert message.get_content().replace("\r\n", "\n") == text
        assert max(len(line) for line in mail["raw"].split(b"\r\n")) <= 76
        assert b"\n" not in mail["raw"].replace(b"\r\n", b"")
        metrics = driver.metrics()
        assert metrics['muster_outbound_requests_total{service="smtp",result="ok"}'] == 1
    assert smtp.greetings and "@" not in smtp.greetings[0]


def test_a_refused_recipient_is_final():
    with SmtpDouble() as smtp, drive(smtp) as driver:
        smtp.answer("rcpt", "550 5.1.1 No such user here")
        result = ended(send(driver))
        assert (result["outcome"], result["tries"], result["status"]) == ("refused", 1, 550)
        assert result["error"] == f"{smtp.url} answered: 550 5.1.1 No such user here"
        assert "550" in driver.wait("trouble", service="smtp")["detail"]
        assert ended(send(driver, 2), 2)["outcome"] == "sent"


@pytest.mark.parametrize("stage, reply", [
    ("connect", "421 4.3.2 Too busy"), ("mail", "451 4.3.0 Later"),
    ("rcpt", "450 4.2.0 Greylisted"),
    ("data", "452 4.3.1 Disk full"), ("mail", "cut"), ("rcpt", "cut"), ("data", "cut"),
    ("connect", "cut")])
def test_a_temporary_failure_is_tried_again(stage, reply):
    with SmtpDouble() as smtp, drive(smtp) as driver:
        smtp.answer(stage, reply, times=2)
        result = ended(send(driver))
        assert (result["outcome"], result["tries"]) == ("sent", 3)
        assert len(smtp.mails) == 1


@pytest.mark.parametrize("stage", ["mail", "data"])
def test_other_refusals_are_final(stage):
    with SmtpDouble() as smtp, drive(smtp) as driver:
        smtp.answer(stage, "554 5.7.1 Not from you")
        result = ended(send(driver))
        assert (result["outcome"], result["status"]) == ("refused", 554)
        assert smtp.mails == []


def test_tries_are_bounded():
    with SmtpDouble() as smtp, drive(smtp, tries_max=3) as driver:
        smtp.answer("rcpt", "450 4.2.0 Greylisted", times=100)
        result = ended(send(driver))
        assert (result["outcome"], result["tries"], result["status"]) == ("gave_up", 3, 450)


def test_the_same_message_in_every_try():
    with SmtpDouble() as smtp, drive(smtp) as driver:
        smtp.answer("data", "451 4.3.0 Later")
        assert ended(send(driver, text="once\n"))["tries"] == 2
        assert smtp.mails[0]["message"].get_content() == "once\r\n"
        send(driver, 2)
        ended(driver, 2)
        assert smtp.mails[0]["message"]["Message-ID"] != smtp.mails[1]["message"]["Message-ID"]


def test_no_server():
    with SmtpDouble() as smtp:
        driver = drive(smtp, tries_max=2)
    with driver:
        result = ended(send(driver))
        assert (result["outcome"], result["tries"], result["status"]) == ("gave_up", 2, 0)
        assert result["error"].startswith(smtp.url + ": ")


class Silent:
    """Speaks SMTP until the mail is taken, and answers QUIT never."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.left = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.left.append(connection)
                lines = connection.makefile("rb")
                connection.sendall(b"220 silent\r\n")
                for line in lines:
                    verb = line[:4].upper()
                    if verb == b"QUIT":
                        break
                    if verb == b"DATA":
                        connection.sendall(b"354 go on\r\n")
                        while lines.readline() != b".\r\n":
                            pass
                    connection.sendall(b"250 OK\r\n")

    def close(self):
        self.listener.close()
        for connection in self.left:
            connection.close()


def test_a_server_that_hangs_at_the_end_is_left():
    # libcurl's own patience is two minutes, longer than the driver's.
    with contextlib.closing(Silent()) as smtp, drive(smtp) as driver:
        assert ended(send(driver))["outcome"] == "sent"


# ---- TLS and login ----

@pytest.fixture
def certificates(tmp_path):
    authority_file, _, authority = make_certificate(tmp_path, "authority", None)
    certificate, key, _ = make_certificate(tmp_path, "server", "127.0.0.1", authority)
    return str(authority_file), (certificate, key)


def password_file(path, content="s3cret-pass\n"):
    file = path / "password"
    file.write_text(content)
    return str(file)


def test_starttls_and_login(certificates, tmp_path):
    authority, server = certificates
    with SmtpDouble(tls=server, login=("muster", "s3cret-pass")) as smtp, \
         drive(smtp, ca_file=authority, starttls="required", user="muster",
               password_file=password_file(tmp_path)) as driver:
        assert ended(send(driver))["outcome"] == "sent"
        assert smtp.mails[0]["tls"] and smtp.mails[0]["login"] == "muster"
        assert smtp.logins == [("muster", True)]


def test_smtps_and_login(certificates, tmp_path):
    authority, server = certificates
    with SmtpDouble(tls=server, smtps=True, login=("muster", "s3cret-pass")) as smtp, \
         drive(smtp, ca_file=authority, starttls="required", user="muster",
               password_file=password_file(tmp_path)) as driver:
        assert ended(send(driver))["outcome"] == "sent"
        assert smtp.mails[0]["tls"] and smtp.mails[0]["login"] == "muster"


def test_a_wrong_password_is_final_and_untold(certificates, tmp_path):
    authority, server = certificates
    with SmtpDouble(tls=server, login=("muster", "another")) as smtp:
        driver = drive(smtp, ca_file=authority, starttls="required", user="muster",
                       password_file=password_file(tmp_path))
        with driver:
            result = ended(send(driver))
            assert (result["outcome"], result["status"]) == ("refused", 535)
        told = str(result) + str(driver.kept) + driver.errors
        assert "s3cret" not in told and "czNjcmV0" not in told
        assert smtp.mails == []


def test_an_unknown_certificate_is_not_trusted(certificates, tmp_path):
    _, server = certificates
    with SmtpDouble(tls=server, login=("muster", "s3cret-pass")) as smtp, \
         drive(smtp, starttls="required", user="muster",
               password_file=password_file(tmp_path)) as driver:
        result = ended(send(driver))
        assert result["outcome"] == "refused" and "certificate" in result["error"]
        assert smtp.logins == [] and smtp.mails == []


def test_another_host_s_certificate_is_not_trusted(tmp_path):
    authority_file, _, authority = make_certificate(tmp_path, "authority", None)
    certificate, key, _ = make_certificate(tmp_path, "server", "mail.example.org", authority)
    with SmtpDouble(tls=(certificate, key)) as smtp, \
         drive(smtp, ca_file=str(authority_file), starttls="required") as driver:
        assert ended(send(driver))["outcome"] == "refused"
        assert smtp.mails == []


def test_required_means_required():
    with SmtpDouble() as smtp, drive(smtp, starttls="required") as driver:
        assert ended(send(driver))["outcome"] == "refused"
        assert smtp.mails == []


def test_opportunistic_takes_what_there_is(certificates):
    authority, server = certificates
    with SmtpDouble() as smtp, drive(smtp, starttls="opportunistic") as driver:
        assert ended(send(driver))["outcome"] == "sent"
        assert not smtp.mails[0]["tls"]
    with SmtpDouble(tls=server) as smtp, \
         drive(smtp, ca_file=authority, starttls="opportunistic") as driver:
        assert ended(send(driver))["outcome"] == "sent"
        assert smtp.mails[0]["tls"]


# ---- settings, bounds, stop ----

@pytest.mark.parametrize("settings, word", [
    ({"url": "http://mail.example.org"}, "smtp.url"),
    ({"url": "smtp://u:p@mail.example.org"}, "smtp.url"),
    ({"from": "Muster"}, "smtp.from"),
    ({"from": None}, "smtp.from"),
    ({"starttls": "maybe"}, "smtp.starttls"),
    ({"url": "smtp://mail.example.org:587", "starttls": "never"}, "smtp.starttls"),
    ({"url": "smtp://mail.example.org:587", "starttls": "opportunistic", "user": "u",
      "password_file": "/dev/null"}, "smtp.starttls"),
    ({"user": "u"}, "smtp.password_file"),
    ({"user": "u", "password_file": "/nowhere/pass"}, "/nowhere/pass"),
    ({"user": "u", "password_file": "/dev/null"}, "smtp.password_file"),
])
def test_wrong_settings_are_a_sentence(settings, word):
    whole = {"url": "smtp://127.0.0.1:25", "from": FROM, "starttls": "never", **settings}
    driver = Driver(smtp={k: v for k, v in whole.items() if v is not None})
    assert driver.created["code"] != 0 and word in driver.created["error"]
    assert driver.created["error"].endswith(".")
    driver.close()


@pytest.mark.parametrize("message", [
    {"to": "ada@example.org\r\nBcc: eve@example.org"}, {"to": "ada"}, {"to": ""},
    {"to": "ada@example.org>\r\nRCPT TO:<eve@example.org"}, {"subject": "a\r\nBcc: eve@x"},
    {"subject": "a\nb"}])
def test_nothing_is_injected(message):
    with SmtpDouble() as smtp, drive(smtp) as driver:
        send(driver, **message)
        assert driver.wait("refused", id=1)["code"] == EINVAL
        assert smtp.tries == 0


def test_what_is_in_hand_is_bounded():
    with SmtpDouble() as smtp, drive(smtp, messages_max=2, backoff_base_ms=600000,
                                     backoff_cap_ms=600000) as driver:
        smtp.answer("mail", "451 4.3.0 Later", times=100)
        for number in range(3):
            send(driver, number)
        assert driver.wait("refused", id=2)["code"] == EAGAIN
        driver.tell(do="stop", deadline_ms=30000)
        for number in range(2):
            assert ended(driver, number)["outcome"] == "cancelled"


def test_many_at_once():
    with SmtpDouble() as smtp, drive(smtp) as driver:
        for number in range(50):
            send(driver, number, to=f"user{number}@example.org")
        for number in range(50):
            assert ended(driver, number)["outcome"] == "sent"
        assert sorted(m["to"][0] for m in smtp.mails) == sorted(
            f"user{number}@example.org" for number in range(50))


def test_stop_finishes_what_is_under_way():
    with SmtpDouble() as smtp, drive(smtp) as driver:
        for number in range(10):
            send(driver, number)
        driver.tell(do="stop", deadline_ms=60000)
        for number in range(10):
            assert ended(driver, number)["outcome"] == "sent"
        driver.wait("stopped")
