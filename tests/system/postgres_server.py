# SPDX-License-Identifier: Apache-2.0
"""A throw-away PostgreSQL that musterd is only given the URL of; and signals to any PostgreSQL."""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess

import psycopg2

from appliance import running, wait_until

PASSWORD = "s3cret-of-the-test"


def family(pid):
    """The postmaster and its children."""
    pids = [pid]
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            pids.append(int(stat.parent.name))
    return pids


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def pause(postmaster_pid):
    """Nobody there answers any more, though every connection stands. The pids, for resume."""
    send([postmaster_pid], signal.SIGSTOP)  # first, so that it starts no further ones
    pids = family(postmaster_pid)
    send(pids, signal.SIGSTOP)
    return pids


def resume(pids):
    send(pids, signal.SIGCONT)


def programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda p: int(p.parts[4]))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    assert path, "PostgreSQL's programs are not installed"
    return pathlib.Path(path).parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class PostgresServer:
    """Made and started by the test, stopped by destroy; never by musterd."""

    def __init__(self, directory):
        self.bin = programs()
        self.root = pathlib.Path(directory)
        self.data = self.root / "cluster"
        self.port = free_port()
        self.root.mkdir(parents=True)
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            os.chown(self.root, pwd.getpwnam(self.user).pw_uid, -1)
        password_file = self.root / "password"
        password_file.write_text(PASSWORD)
        self._run(self.bin / "initdb", "-D", self.data, "-U", "muster", "-A", "scram-sha-256",
                  "-E", "UTF8",
                  "--locale=C.UTF-8", "--pwfile", password_file, "--no-sync")
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as settings:
            settings.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\n"
                           f"unix_socket_directories = '{self.root}'\n")
        self.start()
        connection = psycopg2.connect(self.url_of("postgres"))
        connection.autocommit = True
        connection.cursor().execute("CREATE DATABASE muster")
        connection.close()

    def _run(self, *command):
        prefix = ["runuser", "-u", self.user, "--"] if self.user else []
        done = subprocess.run([*prefix, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, cwd="/", check=False)
        assert done.returncode == 0, done.stdout

    def url_of(self, database):
        return f"postgresql://muster:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    @property
    def url(self):
        return self.url_of("muster")

    @property
    def environment(self):
        return {"MUSTER_DATABASE_URL": self.url}

    def pid(self):
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            comm = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except (FileNotFoundError, IndexError, ValueError, ProcessLookupError):
            return None
        return pid if comm == "postgres" and running(pid) else None

    def start(self):
        # The server's log must not be this process's pipe: it outlives pg_ctl.
        self._run(self.bin / "pg_ctl", "-D", self.data, "-l", self.root / "log", "-w", "-t", "60",
                  "start")

    def stop(self, mode="fast"):
        self._run(self.bin / "pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "60", "stop")

    def kill(self):
        """kill -9 of the postmaster and of all it started."""
        pids = family(self.pid())
        send(pids, signal.SIGKILL)
        # Until they are reaped: to a server that starts, its predecessor's process lives till then.
        wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists()
                                   for pid in pids), "PostgreSQL to be gone")

    def back_up(self, to):
        """A cold copy; the server is away for as long."""
        self.stop()
        shutil.copytree(self.data, to, symlinks=True)
        self.start()
        return to

    def restore(self, backup):
        """Stops the server and puts the copy in its place."""
        self.stop("immediate")
        shutil.rmtree(self.data)
        shutil.copytree(backup, self.data, symlinks=True)
        if self.user:
            subprocess.run(["chown", "-R", self.user, self.data], check=True)
        self.start()

    def connect(self):
        return psycopg2.connect(self.url)

    def sql(self, statement, *values):
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def destroy(self):
        pid = self.pid()
        if pid:
            resume(family(pid))
            self.kill()
