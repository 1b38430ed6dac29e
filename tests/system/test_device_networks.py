# SPDX-License-Identifier: Apache-2.0
"""Where devices report from: shown, and the group that an outage is told by."""
from appliance import wait_until
from virtual_clock import VirtualClock, ticks

TRUSTED = ("--http-trusted-proxies", "127.0.0.1")


def beat(appliance, device, now, address=None):
    headers = {"Authorization": f"Bearer {device['token']}"}
    if address:
        headers["X-Forwarded-For"] = address
    answer = appliance.session.post(appliance.url + "/v1/heartbeat", headers=headers, timeout=15,
                                    json={"ts": now, "sent_at": now})
    assert answer.status_code in (200, 202), answer.text  # stored, or a duplicate


def address_of(appliance, device):
    answer = appliance.session.get(f"{appliance.url}/admin/devices/{device['device_id']}",
                                   headers=appliance.admin_headers(), timeout=15)
    assert answer.status_code == 200, answer.text
    return answer.json()["address"]


def test_the_newest_address_is_shown(make_appliance, scratch):
    appliance = make_appliance(options=TRUSTED)
    appliance.start()
    now = VirtualClock(scratch / "clock").now_s()
    device = appliance.register()
    assert address_of(appliance, device) is None
    for sent, shown in (("203.0.113.7", "203.0.113.7"),
                        ("203.0.114.255", "203.0.114.255"),
                        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
                        ("10.1.2.3, 198.51.100.9", "198.51.100.9"),  # what its proxy saw
                        (None, "127.0.0.1")):
        beat(appliance, device, now, sent)
        assert address_of(appliance, device) == shown
    # Whatever the answer: the token was good.
    answer = appliance.session.post(appliance.url + "/v1/heartbeat", data="{", timeout=15, headers={
        "Authorization": f"Bearer {device['token']}", "X-Forwarded-For": "192.0.2.1"})
    assert answer.status_code in (400, 415)
    assert address_of(appliance, device) == "192.0.2.1"


def test_whom_nobody_trusts_is_not_asked_for_others(make_appliance, scratch):
    appliance = make_appliance()
    appliance.start()
    device = appliance.register()
    beat(appliance, device, VirtualClock(scratch / "clock").now_s(), "203.0.113.7")
    assert address_of(appliance, device) == "127.0.0.1"


def test_an_address_range_that_falls_silent_is_one_incident(make_appliance, failpoint_bin_dir,
                                                            scratch):
    clock = VirtualClock(scratch / "clock")
    # Told to come back soon, all have 12 minutes.
    appliance = make_appliance(bin_dir=failpoint_bin_dir, environment=clock.environment(),
                               options=(*TRUSTED, "--ingest-heartbeat-interval", "10s"))
    appliance.start()
    # Six of one range, six of another spread over two, and one that goes on.
    places = ([f"203.0.113.{n}" for n in range(1, 7)] + [f"198.51.100.{n}" for n in range(1, 4)]
              + [f"2001:db8:7:{n}::1" for n in range(1, 8)])
    silent = []
    for number, address in enumerate(places):
        device = appliance.register(f"device {number}")
        beat(appliance, device, clock.now_s(), address)
        silent.append(device)
    awake = appliance.register("awake")
    for _ in range(5):
        beat(appliance, awake, clock.now_s(), "203.0.113.200")
        clock.advance(appliance, 170)

    def settled():
        return (appliance.sql("SELECT count(*) FROM alerts WHERE state = 'firing'")[0][0]
                == len(places) and appliance.metric("muster_alert_edges_waiting") == 0)

    wait_until(settled, "all that fell silent to fire")
    standing = """SELECT kind, grouped_by, group_key, alert_count, firing_count
                  FROM alert_incidents WHERE closed_at IS NULL ORDER BY kind, group_key"""
    assert appliance.sql(standing) == [
        ("device", "network", "198.51.100.0/24", 1, 1)] * 3 + [
        ("network", "network", "2001:db8:7::/48", 7, 7),
        ("network", "network", "203.0.113.0/24", 6, 6)]
    # What was opened before the sixth of its range went into the one of the range.
    assert appliance.sql("""SELECT count(*) FROM alert_incidents i JOIN alert_incidents w
        ON w.id = i.merged_into WHERE i.kind = 'device' AND w.kind = 'network'
        AND i.group_key = w.group_key""")[0][0] == 10

    # A restart knows them all, and who comes back closes each.
    appliance.terminate()
    appliance.start()
    for device, address in zip(silent, places):
        beat(appliance, device, clock.now_s(), address)
    before = ticks(appliance)
    wait_until(lambda: ticks(appliance) > before + 2, "a round")
    wait_until(lambda: appliance.sql(standing) == [], "every incident to close")
    assert appliance.sql("SELECT count(*) FROM alert_incidents WHERE firing_count <> 0") == [(0,)]
