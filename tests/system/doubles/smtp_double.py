# SPDX-License-Identifier: Apache-2.0
"""A real SMTP server (aiosmtpd) on loopback that can be told what to answer.

    with SmtpDouble() as smtp:                        # plain; for smtp.starttls = never
        ... smtp.url ...
        smtp.answer("rcpt", "550 5.1.1 No such user")  # the next RCPT
        mail = smtp.wait_mails(1)[0]

    SmtpDouble(tls=(certificate, key))                 # offers STARTTLS
    SmtpDouble(tls=..., smtps=True)                    # TLS from the first byte
    SmtpDouble(tls=..., login=("user", "password"))    # demands AUTH
"""
import asyncio
import email
import email.policy
import logging
import ssl
import threading
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


# It warns of what tests do on purpose.
logging.getLogger("mail.log").setLevel(logging.ERROR)


class SmtpDouble:
    STAGES = ("connect", "mail", "rcpt", "data")

    def __init__(self, tls=None, smtps=False, login=None):
        self.login = login
        self.smtps = smtps
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self.lock = threading.Condition()
        self.mails = []     # {"from", "to", "raw", "message", "tls", "login"}
        self.logins = []    # (user, good) as they came
        self.greetings = []  # what the client called itself
        self.tries = 0      # MAIL commands
        self.answers = {stage: [] for stage in self.STAGES}
        self.loop = None

    # -- life --

    def start(self):
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(self.loop.create_server(
            lambda: Session(self, self.loop), "127.0.0.1", 0,
            ssl=self.context if self.smtps else None))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        if self.loop:
            self.loop.call_soon_threadsafe(self.loop.create_task, self.end())
            self.thread.join()
            self.loop.close()
            self.loop = None

    async def end(self):
        """Connections are cut: who still talks is not waited for."""
        self.server.close()
        await self.server.wait_closed()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
        self.loop.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"{'smtps' if self.smtps else 'smtp'}://127.0.0.1:{self.port}"

    def options(self, sender="muster@example.org"):
        """musterd's flags for the plain one."""
        return ["--smtp-url", self.url, "--smtp-from", sender, "--smtp-starttls", "never"]

    # -- being told what to answer --

    def answer(self, stage, reply, times=1):
        """The next of that command get the reply ("451 later"); "cut" ends the connection."""
        assert stage in self.STAGES
        with self.lock:
            self.answers[stage].extend([reply] * times)

    def wait_mails(self, count, deadline_s=60):
        with self.lock:
            if not self.lock.wait_for(lambda: len(self.mails) >= count, deadline_s):
                raise AssertionError(f"{len(self.mails)} mails came, not {count}")
            return list(self.mails)

    # -- aiosmtpd's hooks --

    def told(self, stage, server):
        with self.lock:
            reply = self.answers[stage].pop(0) if self.answers[stage] else None
        if reply == "cut":
            server.transport.abort()
        return reply

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        with self.lock:
            self.greetings.append(hostname)
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        with self.lock:
            self.tries += 1
        reply = self.told("mail", server)
        if reply:
            return reply
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = self.told("rcpt", server)
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        reply = self.told("data", server)
        if reply:
            return reply
        raw = envelope.original_content
        with self.lock:
            self.mails.append({
                "from": envelope.mail_from, "to": list(envelope.rcpt_tos), "raw": raw,
                "message": email.message_from_bytes(raw, policy=email.policy.default),
                "tls": session.ssl is not None or self.smtps,
                "login": session.auth_data and session.auth_data.login.decode()})
            self.lock.notify_all()
        return "250 OK: taken"

    def authenticate(self, server, session, envelope, mechanism, data):
        good = (isinstance(data, LoginPassword) and self.login is not None
                and (data.login.decode(), data.password.decode()) == self.login)
        with self.lock:
            self.logins.append((data.login.decode(), good))
        if not good:
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=data)


class Session(SMTP):
    def __init__(self, double, loop):
        self.double = double
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().__init__(double, loop=loop, hostname="smtp.double", ident="double",
                             tls_context=None if double.smtps else double.context,
                             require_starttls=double.context is not None and not double.smtps,
                             auth_required=double.login is not None, auth_require_tls=False,
                             authenticator=double.authenticate if double.login else None)

    async def push(self, status):
        """The greeting is the first thing said."""
        if self.session.host_name is None and not getattr(self, "greeted", False):
            self.greeted = True
            reply = self.double.told("connect", self)
            if reply and reply != "cut":
                await super().push(reply)
                self.transport.close()
                return
        await super().push(status)
