# SPDX-License-Identifier: Apache-2.0
"""The outbound module as a program (driver.c), and what its tests share."""
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "system"))
sys.dont_write_bytecode = True

DEADLINE_S = 90


class Driver:
    """A running driver. Events come in order; wait takes the first that fits."""

    def __init__(self, **config):
        self.process = subprocess.Popen([os.environ["OUTBOUND_DRIVER"]], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.kept = []
        self.errors = ""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.complaints = threading.Thread(target=self.read_errors, daemon=True)
        self.complaints.start()
        self.tell(**config)
        self.created = self.wait("created")

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def read_errors(self):
        self.errors = self.process.stderr.read()

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def wait(self, event, **fields):
        """The next event of that kind with these fields."""
        def fits(entry):
            return entry["event"] == event and all(entry[k] == v for k, v in fields.items())

        for index, entry in enumerate(self.kept):
            if fits(entry):
                return self.kept.pop(index)
        while True:
            try:
                entry = self.lines.get(timeout=DEADLINE_S)
            except queue.Empty:
                raise AssertionError(f"no {event} {fields}; there are {self.kept}") from None
            if entry is None:
                raise AssertionError(f"the driver ended; no {event} {fields}; there are "
                                     f"{self.kept}\n{self.errors}")
            if fits(entry):
                return entry
            self.kept.append(entry)

    def final(self, event, number):
        """All reports of one request, the final one last."""
        reports = [self.wait(event, id=number)]
        while reports[-1]["outcome"] == "will_retry":
            reports.append(self.wait(event, id=number))
        return reports

    def metrics(self):
        self.tell(do="metrics")
        values = {}
        for line in self.wait("metrics")["text"].splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def close(self):
        """Ends it; what is left of the events."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        code = self.process.wait(DEADLINE_S)
        self.reader.join()
        self.complaints.join()
        self.process.stdout.close()
        self.process.stderr.close()
        assert code == 0, self.errors
        left = self.kept
        while not self.lines.empty():
            entry = self.lines.get()
            if entry:
                left.append(entry)
        return left

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
            self.process.wait()
        else:
            self.close()


def make_certificate(directory, name, host="127.0.0.1", authority=None):
    """(certificate, key) for the host, signed by the authority or by itself."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    issuer, signer = authority or (subject, key)
    built = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
             .public_key(key.public_key()).serial_number(x509.random_serial_number())
             .not_valid_before(now - datetime.timedelta(days=1))
             .not_valid_after(now + datetime.timedelta(days=30))
             .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), True))
    if host:
        try:
            alternative = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            alternative = x509.DNSName(host)
        built = built.add_extension(x509.SubjectAlternativeName([alternative]), False)
    signed = built.sign(signer, hashes.SHA256())
    certificate_path = directory / f"{name}.pem"
    key_path = directory / f"{name}.key"
    certificate_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                           serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return certificate_path, key_path, (subject, key)
