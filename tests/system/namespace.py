# SPDX-License-Identifier: Apache-2.0
"""A network namespace with one cable to ours, which can be pulled. For root."""
import os
import shutil
import subprocess

import pytest

from appliance import wait_until


def ip(*arguments, check=True):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, (arguments, done.stderr)
    return done


class Namespace:
    """Ours is .1, the other's .2 of a /30 that nobody else has."""

    def __init__(self):
        if os.geteuid() != 0 or not shutil.which("ip"):
            pytest.skip("needs root and iproute2: makes a network namespace")
        number = os.getpid() % (1 << 14)
        self.name = f"muster-test-{os.getpid()}"
        self.near, self.far = f"mun{number}", f"muf{number}"
        base = number * 4
        net = f"10.203.{base >> 8 & 255}"
        self.ours, self.theirs = f"{net}.{(base & 255) + 1}", f"{net}.{(base & 255) + 2}"

    def make(self):
        made = ip("netns", "add", self.name, check=False)
        if made.returncode != 0:
            pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
        ip("link", "add", self.near, "type", "veth", "peer", "name", self.far,
           "netns", self.name)
        ip("address", "add", f"{self.ours}/30", "dev", self.near)
        ip("link", "set", self.near, "up")
        self.inside("link", "set", "lo", "up")
        self.inside("address", "add", f"{self.theirs}/30", "dev", self.far)
        self.restore()
        return self

    def inside(self, *arguments):
        return ip("-netns", self.name, *arguments)

    @property
    def prefix(self):
        """Starts a program in it."""
        return ["ip", "netns", "exec", self.name]

    def cut(self):
        """The cable is pulled: no link, no route."""
        self.inside("link", "set", self.far, "down")

    def end_connections(self):
        """Those of the other side end, as after a while they would by themselves."""
        subprocess.run([*self.prefix, "ss", "-K", "dst", self.ours], capture_output=True,
                       check=False)

    def restore(self):
        self.inside("link", "set", self.far, "up")
        wait_until(lambda: "state UP" in self.inside("link", "show", self.far).stdout,
                   "the link to be up")
        self.inside("route", "replace", "default", "via", self.ours)

    def swallow(self, on=True):
        """A cable that leads nowhere: the link stays, and nothing ever comes back."""
        ip("route", "add" if on else "delete", "blackhole", f"{self.theirs}/32")

    def destroy(self):
        ip("route", "delete", "blackhole", f"{self.theirs}/32", check=False)
        ip("link", "delete", self.near, check=False)
        ip("netns", "delete", self.name, check=False)
