# SPDX-License-Identifier: Apache-2.0
"""An appliance and its agents by one clock, with a wire between them that can be cut."""
from agent_process import Agent, stored_buckets
from appliance import DEADLINE_S
from tcp_proxy import TcpProxy
from virtual_clock import VirtualClock

INTERVAL = ["--ingest-heartbeat-interval", "10s"]
STEP_S = 11  # more than a bucket, and than the wait between two heartbeats of INTERVAL


class House:
    def __init__(self, make_appliance, bin_dir, scratch, interval=INTERVAL, **options):
        self.clock = VirtualClock(scratch / "clock")
        self.bin_dir = bin_dir
        self.scratch = scratch
        self.agents = []
        self.appliance = make_appliance(bin_dir=bin_dir, environment=self.clock.environment(),
                                        options=interval, **options).start()
        self.wire = TcpProxy(int(self.appliance.url.rsplit(":", 1)[1])).start()

    def destroy(self):
        for agent in self.agents:
            agent.destroy()
        self.wire.stop()

    def agent(self, name="agent", **options):
        """Enrolled, by the wire."""
        made = Agent(self.bin_dir, self.scratch / name, clock=self.clock, **options)
        self.agents.append(made)
        return made.enrolled(self.appliance, name, url=self.wire.url)

    # -- the appliance --

    def restart(self):
        """One that was stopped, at its old address as agents see it."""
        self.appliance.start()
        self.wire.port_behind = int(self.appliance.url.rsplit(":", 1)[1])

    def ask(self, method, path, body=None, expect=200):
        answer = self.appliance.session.request(method, self.appliance.url + path, json=body,
                                                headers=self.appliance.admin_headers(), timeout=30)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.text else None

    def order(self, agent, kind, payload=None):
        """A command; its id."""
        body = {"type": kind, **({"payload": payload} if payload else {})}
        return self.ask("POST", f"/admin/devices/{agent.device_id}/commands", body, 201)["id"]

    def command(self, command_id):
        return self.ask("GET", f"/admin/commands/{command_id}")["command"]

    def wait_command(self, agent, command_id, state):
        agent.wait(lambda: self.command(command_id)["state"] == state,
                   f"command {command_id} to be {state}: {self.command(command_id)}")
        return self.command(command_id)

    # -- time --

    def report(self, agent, count=1):
        """Time goes by, with a report each bucket, whoever can or can't be reached."""
        for _ in range(count):
            before = len(enqueued(agent))
            self.clock.jump(STEP_S, STEP_S)
            agent.wait(lambda: len(enqueued(agent)) > before, "a report")

    def wait_reported(self, agent, count):
        """So many in the table, and the agent's queue empty; the buckets."""
        agent.wait(lambda: len(stored_buckets(self.appliance, agent)) >= count,
                   f"{count} heartbeats in the table")
        wait_empty(agent)
        return stored_buckets(self.appliance, agent)

    def report_until_empty(self, agent, deadline_s=DEADLINE_S):
        """The same, where a try may have to wait for its time."""
        def empty():
            self.report(agent)
            agent.settle()
            return agent.status()["queue"]["heartbeats"] == 0

        agent.wait(empty, "an empty queue", deadline_s)
        return self.wait_reported(agent, len(enqueued(agent)))

    def sequence(self, agent):
        return [row[0] for row in self.appliance.sql(
            "SELECT seq FROM heartbeats WHERE device_id = %s ORDER BY bucket", agent.device_id)]


def enqueued(agent):
    """Buckets that it has said to hold."""
    return {int(event["bucket"]) for event in agent.events("queue.enqueue") if "bucket" in event}


def wait_empty(agent):
    agent.wait(lambda: agent.status()["queue"]["heartbeats"] == 0, "an empty queue")


def wait_channel(agent):
    agent.wait(lambda: agent.status()["push_channel"] == "open", "its channel to open")
