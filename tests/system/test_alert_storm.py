# SPDX-License-Identifier: Apache-2.0
"""The whole way: hundreds of devices fall silent at once, and people get a handful of messages."""
import pytest

from alert_desk import Desk
from alert_watch import MINUTE, Watch
from appliance import wait_until
from doubles.discord_double import DiscordDouble
from doubles.webhook_double import Answer, WebhookDouble

SITES = ("Berlin", "Bonn", "Ulm")
OF_EACH = 100


@pytest.mark.long
def test_300_devices_of_three_sites_are_three_incidents(make_appliance, failpoint_bin_dir, scratch):
    watch = Watch(make_appliance, failpoint_bin_dir, scratch)
    desk = Desk(watch.appliance, watch.clock)
    sites = {}
    for site in SITES:
        for number in range(OF_EACH):
            device = watch.appliance.register(f"{site} {number:03}")
            watch.ask("PATCH", f"/admin/devices/{device['device_id']}", site=site)
            device = {"id": int(device["device_id"]), "token": device["token"]}
            sites.setdefault(site, []).append(device)
    everybody = [device for devices in sites.values() for device in devices]
    with DiscordDouble() as discord, WebhookDouble(now=watch.clock.now_s) as receiver:
        desk.discord(discord, rate_per_min=20)
        desk.webhook(receiver)
        watch.beat(*everybody)
        watch.advance(14 * MINUTE)

        incidents = desk.sql("SELECT kind, group_key, alert_count, merged_into IS NULL FROM"
                             " alert_incidents WHERE rule = 'offline' ORDER BY group_key, id")
        wide = [row for row in incidents if row[3]]
        assert wide == [("site", site, OF_EACH, True) for site in SITES]

        def told():
            watch.clock.advance(watch.appliance, 4)
            return desk.sql("SELECT count(*) FROM alert_notifications WHERE state = 'waiting'") \
                == [(0,)]

        wait_until(told, "all of it to be told", 120)
        # One message for each site; what single devices there were before is part of them.
        opened = [m["body"]["data"] for m in receiver.messages
                  if m["body"]["type"] == "alert.opened"]
        assert len(opened) <= 2 * len(SITES)
        told_of = {data["incident"]["group"]: data for data in opened
                   if data["incident"]["kind"] == "site"}
        assert set(told_of) == set(SITES)
        last = {m["body"]["data"]["incident"]["group"]: m["body"]["data"]["incident"]
                for m in receiver.messages if m["body"]["data"]["incident"]["kind"] == "site"}
        assert all(last[site]["device_count"] == OF_EACH for site in SITES), last
        assert sum(method == "POST" for method, _ in discord.events) <= 2 * len(SITES)
        assert discord.count(429) == 0

        # They come back: one end each.
        watch.beat(*everybody)
        wait_until(lambda: desk.sql("SELECT count(*) FROM alert_incidents WHERE closed_at IS NULL"
                                    " AND rule = 'offline'") == [(0,)], "all to be well", 120)
        wait_until(told, "the end to be told", 120)
        closed = [m["body"]["data"]["incident"] for m in receiver.messages
                  if m["body"]["type"] == "alert.closed"]
        assert sorted(incident["group"] for incident in closed
                      if incident["kind"] == "site") == list(SITES)
        assert all(incident["state"] == "resolved" for incident in closed)
        assert receiver.violations == [] and receiver.repeated == []
        assert discord.violations == [] and discord.early == []
        green = [message for _, message in discord.events
                 if "Resolved" in message["embeds"][0]["title"]]
        assert len(green) >= 2 * len(SITES)
        assert len(discord.events) <= 10 * len(SITES)


def test_an_outage_of_postgresql_is_told_while_it_lasts(make_appliance, failpoint_bin_dir, scratch,
                                                        postgres_server):
    watch = Watch(make_appliance, failpoint_bin_dir, scratch,
                  environment=postgres_server.environment)
    desk = Desk(watch.appliance, watch.clock)
    with DiscordDouble() as discord, WebhookDouble(now=watch.clock.now_s) as receiver:
        desk.discord(discord)
        desk.webhook(receiver)
        desk.webhook(receiver, rules=["offline"])
        # The channels are known once something went by them.
        rows = [desk.test_message(channel) for channel, in
                desk.sql("SELECT id FROM alert_channels ORDER BY id")]
        wait_until(lambda: all(desk.row(row)["state"] != "waiting" for row in rows), "the tests")
        asked = len(receiver.requests)
        receiver.answer_next(Answer(503))
        postgres_server.stop()

        def arrived(kind, rule):
            """The appliance's own; that heartbeats wait to be stored may be told too."""
            watch.clock.advance(watch.appliance, 4)
            with receiver.lock:
                return [m for m in receiver.messages if m["body"]["type"] == kind
                        and m["body"]["data"]["incident"]["rule"] == rule]

        opened = wait_until(lambda: arrived("alert.opened", None), "the outage to be told", 120)[0]
        assert opened["id"].startswith("msg_direct_")
        assert opened["body"]["data"]["incident"]["id"] is None
        assert opened["body"]["data"]["incident"]["kind"] == "appliance"
        assert receiver.requests[asked:asked + 2] == [503, 200]
        discord.wait_events(2)
        postgres_server.start()

        closed = wait_until(lambda: arrived("alert.closed", "database_away"),
                            "its end to be told", 120)[0]["body"]["data"]["incident"]
        assert closed["state"] == "resolved"
        wait_until(lambda: any("Resolved: PostgreSQL away" in message["embeds"][0]["title"]
                               for _, message in discord.wait_events(3)), "Discord to hear of it")
        assert receiver.violations == [] and discord.violations == []
