# SPDX-License-Identifier: Apache-2.0
"""Register, send, find it stored; the same after a restart."""
import time

import pytest

pytestmark = pytest.mark.release


def test_heartbeat_is_stored_field_by_field(appliance):
    device = appliance.register("phone", hardware_id="hw-1")
    now = time.time()
    answer = appliance.heartbeat(
        device["token"], ts=now, sent_at=now, battery=57, charging=True, ram_free_mb=512,
        ram_total_mb=4096,
        uptime_s=1234, network="wifi", ssid="Büro", fg_package="org.example.app",
        monitored_last_fg_s=7,
        agent_version="1.2.3", power_ok=True, device_owner=True, battery_unrestricted=False,
        doze_whitelisted=True, net_validated=True, queue_depth=3, boot_id="b-1", seq=1,
        colour="red")
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert abs(body["server_time"] - time.time()) < 60
    assert body["commands"] == 0 and body["update"] is False and body["next_heartbeat_in_s"] > 0
    assert "invalid_fields" not in body
    appliance.wait_stored(1)
    rows = appliance.sql(
        "SELECT battery, charging, ram_free_mb, ram_total_mb, uptime_s, network, ssid, fg_package,"
        " monitored_last_fg_s, agent_version, power_ok, device_owner, battery_unrestricted, "
        "doze_whitelisted,"
        " net_validated, queue_depth, boot_id, seq, extra, clock_offset_s, extract(epoch FROM "
        "bucket)"
        " FROM heartbeats WHERE device_id = %s", int(device["device_id"]))
    assert rows == [(57, True, 512, 4096, 1234, "wifi", "Büro", "org.example.app", 7, "1.2.3",
                     True, True, False,
                     True, True, 3, "b-1", 1, {"colour": "red"}, 0, int(now) // 10 * 10)]
    status = appliance.sql("SELECT battery, ssid FROM device_last_status WHERE device_id = %s",
                           int(device["device_id"]))
    assert status == [(57, "Büro")]


def test_repeat_is_a_duplicate_and_stored_once(appliance):
    token = appliance.register()["token"]
    ts = time.time()
    assert appliance.heartbeat(token, ts=ts).status_code == 202
    again = appliance.heartbeat(token, ts=ts)
    assert again.status_code == 200
    assert again.json()["duplicate"] is True and "next_heartbeat_in_s" in again.json()
    appliance.wait_stored(1)
    assert appliance.terminate() == 0
    appliance.start()
    assert appliance.heartbeat(token, ts=ts).status_code == 202  # the cache is new, the key decides
    fresh = appliance.heartbeat(token, ts=ts - 20)
    assert fresh.status_code == 202
    appliance.wait_stored(2)
    assert appliance.stored() == 2


def test_clean_stop_drains(appliance):
    token = appliance.register()["token"]
    base = int(time.time()) - 3600
    answer = appliance.heartbeats(token, [{"ts": base + 10 * i} for i in range(300)],
                                  sent_at=time.time())
    assert [item["status"] for item in answer.json()["results"]] == ["stored"] * 300
    assert appliance.terminate() == 0
    assert appliance.log_events("drained")[-1]["all_stored"] is True
    appliance.start()
    assert appliance.stored() == 300
