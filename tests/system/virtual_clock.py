# SPDX-License-Identifier: Apache-2.0
"""A musterd's clock, set forward from outside (src/base/test_clock.h; builds with failpoints)."""
import mmap
import struct
import time

from appliance import wait_until

STEP_S = 4  # below the 5 s that the alert thread takes for a pause of the machine


class VirtualClock:
    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(24))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 24)

    def environment(self):
        return {"MUSTER_TEST_CLOCK": str(self.path)}

    def shifts(self):
        return struct.unpack("=qq", self.map[:16])

    def looks(self):
        """Rounds of the alert thread."""
        return struct.unpack("=q", self.map[16:24])[0]

    def wait_looked(self, rounds=2):
        """Until what was so at the call has been looked at: a round that began after it is over."""
        before = self.looks()
        wait_until(lambda: self.looks() >= before + rounds, "the alert thread to look again")

    def now_s(self):
        """Seconds since the epoch, as the daemon sees it."""
        return time.time() + self.shifts()[1] / 1e6

    def jump(self, monotonic_s=0.0, realtime_s=0.0):
        """At once: a pause of the machine, or somebody setting its clock."""
        monotonic_ns, realtime_us = self.shifts()
        self.map[:16] = struct.pack("=qq", monotonic_ns + round(monotonic_s * 1e9),
                                    realtime_us + round(realtime_s * 1e6))

    def advance(self, appliance, seconds, during=None):
        """Time goes by, in steps that the alert thread sees each of. during(): after each step."""
        while seconds > 0:
            step = min(seconds, STEP_S)
            self.jump(step, step)
            self.wait_looked()
            seconds -= step
            if during:
                during()


def ticks(appliance):
    """Cheaper than appliance.metric: it is asked some thousand times."""
    text = appliance.session.get(appliance.url + "/metrics", timeout=10).text
    at = text.index("\nmuster_alert_ticks_total ")
    return float(text[at + 1:text.index("\n", at + 1)].rsplit(" ", 1)[1])
