# SPDX-License-Identifier: Apache-2.0
"""What deleted devices had sent goes, and nothing else."""
import time

from appliance import wait_until
from test_bulk_delete import bulk_delete, select
from test_devices import ask, get, ids_of

PURGE_S = 180


def send_days(appliance, device, days=5, count=20):
    now = time.time()
    for day in range(days):
        items = [{"ts": now - day * 86400 - number * 60, "battery": number}
                 for number in range(count)]
        answer = appliance.heartbeats(device["token"], items, sent_at=now)
        assert {result["status"] for result in answer.json()["results"]} == {"stored"}
    return days * count


def rows_of(appliance, devices):
    return appliance.sql("SELECT count(*) FROM heartbeats WHERE device_id = ANY (%s)",
                         [int(device_id) for device_id in ids_of(devices)])[0][0]


def wait_purged(appliance, count=1):
    """A purge may begin once what was on its way when its devices were deleted is stored."""
    def purged():
        appliance.run_job("purge")
        purges = get(appliance, "/admin/purges")["purges"]
        return len(purges) == count and all(one["state"] == "done" for one in purges) and purges

    return wait_until(purged, "the purge", PURGE_S)


def test_history_goes_where_asked_for(appliance):
    doomed = [appliance.register(f"doomed {number}") for number in range(3)]
    kept = [appliance.register("kept"), appliance.register("deleted, history kept")]
    sent = sum(send_days(appliance, device) for device in doomed)
    others = sum(send_days(appliance, device) for device in kept)
    appliance.wait_stored(sent + others)
    bulk_delete(appliance, select(appliance, device_ids=[kept[1]["device_id"]]))
    bulk_delete(appliance, select(appliance, device_ids=ids_of(doomed)), purge_history=True)
    purge = wait_purged(appliance)[0]
    assert purge["rows_purged"] == sent and purge["devices"] == 3
    assert purge["days_done"] == purge["days_total"] > 5 and purge["asked_by"] == "admin-key"
    assert purge["finished_at"]
    assert rows_of(appliance, doomed) == 0 and rows_of(appliance, kept) == others
    assert appliance.heartbeat(doomed[0]["token"]).status_code == 410
    audit = appliance.sql("SELECT after->>'rows' FROM audit_log WHERE action = 'device.purged'")
    assert audit == [(str(sent),)]


def test_one_device_is_purged_too(appliance):
    device, other = appliance.register("doomed"), appliance.register("kept")
    sent = send_days(appliance, device) + send_days(appliance, other)
    appliance.wait_stored(sent)
    path = f"/admin/devices/{device['device_id']}"
    ask(appliance, "DELETE", path, 204, params={"purge": "true"})
    ask(appliance, "DELETE", path, 204, params={"purge": "true"})
    assert len(get(appliance, "/admin/purges")["purges"]) == 1
    wait_purged(appliance)
    assert rows_of(appliance, [device]) == 0 and rows_of(appliance, [other]) == sent // 2
    # Deleted long since: its history can still go.
    appliance.delete_device(other["device_id"])
    ask(appliance, "DELETE", f"/admin/devices/{other['device_id']}", 204, params={"purge": "true"})
    wait_purged(appliance, 2)
    assert appliance.stored() == 0
    ask(appliance, "DELETE", "/admin/devices/999999999", 404, params={"purge": "true"})


FILL = """
INSERT INTO heartbeats (device_id, bucket, received_at, observed_at, clock_offset_s, flags)
SELECT id, bucket, bucket, bucket, 0, 0 FROM devices,
  generate_series(date_trunc('day', now()) - interval '1 day', date_trunc('day', now())
                  + interval '6 hours', interval '20 seconds') AS bucket WHERE alias LIKE 'many%'
"""


def test_an_interrupted_purge_goes_on(make_appliance, failpoint_bin_dir):
    appliance = make_appliance(bin_dir=failpoint_bin_dir)
    appliance.start()
    appliance.sql("INSERT INTO devices (alias, kind, enrolled_by) SELECT 'many ' || i, 'android',"
                  " 'test' FROM generate_series(1, 9) AS i")
    kept = appliance.register("kept")
    sent = send_days(appliance, kept, days=2)
    appliance.wait_stored(sent)
    appliance.sql(FILL)
    filled = appliance.stored() - sent
    assert filled == 9 * 5401
    assert appliance.terminate() == 0
    appliance.environment["MUSTER_FAILPOINTS"] = "purge.step=error:EIO"  # so far, none
    appliance.start()
    bulk_delete(appliance, select(appliance, filter={"q": "many"}), purge_history=True)
    assert appliance.terminate() == 0
    appliance.environment["MUSTER_FAILPOINTS"] = "purge.step=crash@4"
    for _ in range(3):
        appliance.launch()
        appliance.process.wait(120)
        appliance.forget()
    del appliance.environment["MUSTER_FAILPOINTS"]
    appliance.start()
    purge = wait_purged(appliance)[0]
    assert purge["rows_purged"] == filled
    assert appliance.stored() == sent == rows_of(appliance, [kept])


def test_expired_selections_are_tidied_away(make_appliance):
    appliance = make_appliance()
    appliance.start()
    device = appliance.register("d")
    selection = select(appliance, filter={})
    used = select(appliance, device_ids=[device["device_id"]])
    bulk_delete(appliance, used)
    appliance.sql("UPDATE selections SET expires_at = now() - interval '1 hour'")
    appliance.sql("UPDATE bulk_deletions SET state = 'deleting'")
    assert appliance.terminate() == 0
    appliance.start()
    wait_until(lambda: appliance.sql("SELECT count(*) FROM selections WHERE id = %s",
                                     int(selection["id"])) == [(0,)], "the selection to go",
               PURGE_S)
    # A deletion that was not done has been finished first, whatever its selection's age.
    wait_until(lambda: appliance.sql("SELECT state FROM bulk_deletions") == [("done",)],
               "the deletion", PURGE_S)
