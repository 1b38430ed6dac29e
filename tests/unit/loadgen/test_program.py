#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""muster-loadgen as a whole, against double.py: each scenario, each fault, each exit code.

    test_program.py PATH_TO_MUSTER_LOADGEN
"""
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = None


class Double:
    """A running double.py with its own port."""

    def __init__(self, *options, tls=None):
        command = ["/usr/bin/python3", os.path.join(HERE, "double.py"), *options]
        if tls:
            command += ["--cert", tls, "--key", tls]
        self.scheme = "https" if tls else "http"
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    @property
    def url(self):
        return "%s://127.0.0.1:%d" % (self.scheme, self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.process.stdout.close()


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.devices = os.path.join(self.folder.name, "devices")

    def tearDown(self):
        self.folder.cleanup()

    def load(self, double, *arguments, code=0, key="key", devices=50, url=None, expect_json=True):
        path = os.path.join(self.folder.name, "out.json")
        if os.path.exists(path):
            os.unlink(path)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
        environment["MUSTER_ADMIN_KEY"] = key
        done = subprocess.run(
            [PROGRAM, "--url", url or double.url, "--devices", str(devices), "--devices-file",
             self.devices, "--json", path, *arguments],
            env=environment, capture_output=True, text=True, timeout=120, check=False)
        self.text = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, self.text)
        if not expect_json:
            return None
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def test_flood_is_stored(self):
        with Double() as double:
            out = self.load(double, "flood", "--count", "5000", "--connections", "8", "--threads",
                            "2", "--verify", "--slo", "errors=0,shed=0,lost=0,extra=0,duplicate=0")
            self.assertEqual(out["counts"]["acknowledged"], 5000)
            self.assertEqual(out["counts"]["connects"], 8)
            self.assertEqual(out["verify"]["acknowledged"], 5000)
            self.assertEqual(out["verify"]["stored"], 5000)
            self.assertEqual(out["latency"]["count"], 5000)
            self.assertEqual(sum(second["acknowledged"] for second in out["series"]), 5000)
            mode = stat.S_IMODE(os.stat(self.devices).st_mode)
            self.assertEqual(mode, 0o600)

    def test_runs_on_the_same_devices_do_not_collide(self):
        with Double() as double:
            for _ in range(2):
                out = self.load(double, "flood", "--count", "1000", "--verify")
                self.assertEqual(out["counts"]["acknowledged"], 1000)
                self.assertEqual(out["counts"]["duplicate"], 0)
            out = self.load(double, "storm", "--window", "100ms", "--verify")
            self.assertEqual(out["counts"]["acknowledged"], 50)
            self.assertEqual(out["counts"]["connects"], 50)
            out = self.load(double, "flood", "--count", "1000", "--verify")
            self.assertEqual(out["counts"]["acknowledged"], 1000)
            with open(self.devices, encoding="utf-8") as file:
                self.assertEqual(len(file.readlines()), 51)

    def test_open_loop_keeps_its_rate(self):
        with Double() as double:
            out = self.load(double, "flood", "--rate", "1000", "--count", "1500")
            self.assertEqual(out["counts"]["offered"], 1500)
            self.assertEqual(out["counts"]["acknowledged"], 1500)
            self.assertEqual(out["own_delay"]["count"], 1500)
            self.assertGreaterEqual(out["seconds"], 1.49)

    def test_stalled_answers_count_from_the_intended_moment(self):
        """One connection, one answer that never comes: all that waited behind it were slow."""
        with Double("--stall", "20") as double:
            out = self.load(double, "flood", "--rate", "100", "--count", "60", "--connections", "1",
                            "--timeout", "1s", "--verify")
            self.assertEqual(out["counts"]["failures"]["timeout"], 3)
            self.assertGreater(out["latency"]["percentiles_ns"]["p90"], 500e6)
            self.assertLess(out["service"]["percentiles_ns"]["p90"], 500e6)
            self.assertEqual(out["verify"]["unanswered_stored"], 3)
            self.assertEqual(out["verify"]["lost"], 0)

    def test_loss_is_found(self):
        with Double("--lose", "100") as double:
            out = self.load(double, "flood", "--count", "2000", "--verify", "--verify-deadline",
                            "300ms", code=3)
            self.assertEqual(out["verify"]["lost"], 20)
            self.assertEqual(len(out["verify"]["lost_examples"]), 8)
            self.assertIn("LOST", self.text)

    def test_extra_rows_are_found(self):
        with Double("--extra", "97") as double:
            out = self.load(double, "flood", "--count", "97", "--verify", "--verify-deadline",
                            "300ms", "--slo", "extra=0", code=1)
            self.assertEqual(out["verify"]["extra"] + out["verify"]["repeated"], 1)
            self.assertEqual(out["verify"]["lost"], 0)

    def test_lost_answers_are_no_loss(self):
        with Double("--close", "50") as double:
            out = self.load(double, "flood", "--count", "2000", "--connections", "4", "--verify")
            self.assertEqual(out["verify"]["lost"], 0)
            # Closed under a request: repeated once, and then the bucket is a duplicate.
            self.assertGreater(out["counts"]["retries"], 0)
            self.assertEqual(out["counts"]["duplicate"], out["counts"]["retries"] -
                             out["counts"]["failures"]["closed"])

    def test_shed_is_counted(self):
        with Double("--shed", "10") as double:
            out = self.load(double, "flood", "--count", "1000", "--verify", "--slo", "shed=0",
                            code=1)
            self.assertEqual(out["counts"]["shed"], 100)
            self.assertEqual(out["counts"]["status"]["503"], 100)
            self.assertEqual(out["verify"]["stored"], 900)

    def test_steady_obeys_retry_after(self):
        with Double("--shed", "10") as double:
            out = self.load(double, "steady", "--interval", "1s", "--duration", "4s", "--verify")
            self.assertGreater(out["counts"]["shed"], 0)
            self.assertEqual(out["counts"]["acknowledged"], 50)
            self.assertEqual(out["verify"]["lost"], 0)

    def test_compressed_follows_the_server(self):
        with Double("--next-in", "60") as double:
            out = self.load(double, "compressed", "--speed", "60", "--interval", "60s",
                            "--duration", "4s", "--keep-alive", "--verify")
            # One heartbeat a second and device, but for the jitter.
            self.assertGreater(out["counts"]["acknowledged"], 150)
            self.assertLessEqual(out["counts"]["acknowledged"], 200)
            self.assertEqual(out["counts"]["connects"], 50)
            self.assertEqual(out["verify"]["lost"], 0)

    def test_backlog_drains_in_batches(self):
        with Double("--shed", "7") as double:
            out = self.load(double, "backlog", "--backlog-items", "1200", "--verify", devices=5)
            self.assertEqual(out["counts"]["acknowledged"], 6000)
            self.assertGreater(out["counts"]["shed"], 0)
            self.assertEqual(out["counts"]["devices_done"], 5)
            self.assertEqual(out["verify"]["stored"], 6000)

    def test_malformed(self):
        with Double("--idle", "1") as double:
            out = self.load(double, "malformed", "--duration", "3s", "--slow-deadline", "5s",
                            "--verify")
            self.assertEqual([kind for kind in out["malformed"] if kind["wrong"]], [])
            self.assertGreaterEqual(len([k for k in out["malformed"] if k["tried"]]), 45)
            self.assertEqual(out["counts"]["failures"]["timeout"], 0)

    def test_a_server_that_takes_anything_is_found_out(self):
        with Double("--next-in", "0", "--idle", "100") as double:
            out = self.load(double, "malformed", "--duration", "2s", "--slow-deadline", "1s",
                            code=1)
            wrong = {kind["kind"] for kind in out["malformed"] if kind["wrong"]}
            self.assertEqual(wrong, {"half_open", "slowloris", "lines_bare"})

    def test_chunked_answers(self):
        with Double("--chunked") as double:
            out = self.load(double, "flood", "--count", "500", "--verify")
            self.assertEqual(out["counts"]["acknowledged"], 500)

    def test_tls(self):
        pem = os.path.join(self.folder.name, "server.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem + ".key", "-out",
                        pem + ".crt"], check=True, capture_output=True)
        with open(pem, "w", encoding="utf-8") as file:
            for part in (".key", ".crt"):
                with open(pem + part, encoding="utf-8") as piece:
                    file.write(piece.read())
        with Double(tls=pem) as double:
            self.load(double, "flood", "--count", "10", code=4, expect_json=False)
            self.assertIn("CERTIFICATE_VERIFY_FAILED", self.text)
            out = self.load(double, "flood", "--count", "500", "--verify", "--cafile", pem + ".crt")
            self.assertEqual(out["counts"]["acknowledged"], 500)
            out = self.load(double, "storm", "--window", "200ms", "--verify", "--insecure")
            self.assertEqual(out["counts"]["acknowledged"], 50)
            self.assertGreater(out["counts"]["resumed"], 0)
            out = self.load(double, "backlog", "--backlog-items", "600", "--verify", "--insecure")
            self.assertEqual(out["verify"]["stored"], 30000)

    def test_errors_are_sentences(self):
        with Double() as double:
            self.load(double, "flood", key="wrong", code=4, expect_json=False)
            self.assertIn("refused with 401", self.text)
            self.load(double, "flood", "--slo", "p99<10", code=2, expect_json=False)
            self.assertIn("p99<10", self.text)
            self.load(double, "flud", code=2, expect_json=False)
            self.assertIn("there is no scenario flud", self.text)
            self.load(double, "flood", "--devces", "3", code=2, expect_json=False)
            self.assertIn("--devces", self.text)
            url = double.url
        self.load(None, "flood", url=url, code=4, expect_json=False)
        self.assertIn("cannot register devices", self.text)

    def test_report_is_one_page(self):
        path = os.path.join(self.folder.name, "report.html")
        with Double() as double:
            self.load(double, "flood", "--count", "2000", "--verify", "--report", path, "--title",
                      "<Tuesday & co>", "--slo", "p99<5s")
        with open(path, encoding="utf-8") as file:
            page = file.read()
        self.assertIn("&lt;Tuesday &amp; co&gt;", page)
        self.assertNotIn("http://", page.replace(double.url, ""))
        self.assertNotIn("<script", page)
        self.assertNotIn("nan", page.split("</style>")[1])
        self.assertNotIn("inf", page.split("</style>")[1].replace("information", ""))
        self.assertGreaterEqual(page.count("<svg"), 3)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
