# SPDX-License-Identifier: Apache-2.0
"""Days of heartbeats as if written long ago, and what became of them."""
import datetime
import json
import pathlib
import subprocess

from appliance import wait_until
from test_devices import get
from test_jobs import ctl

TODAY = datetime.datetime.now(datetime.timezone.utc).date()
KEEP_ALL = ["--retention-heartbeats", "3650d"]


def day_back(days):
    return TODAY - datetime.timedelta(days=days)


def partition(day):
    return f"heartbeats_{day:%Y%m%d}"


def make_day(appliance, day, rows, devices=41, known=True):
    """A day of heartbeats as if it had been written long ago; its rows as text. Before it is
    attached: the archive may take it at once."""
    name = partition(day)
    appliance.sql(f"""
        CREATE TABLE {name} (LIKE heartbeats INCLUDING DEFAULTS INCLUDING INDEXES);
        INSERT INTO {name} (device_id, bucket, received_at, observed_at, clock_offset_s, flags,
            battery, network, ssid, boot_id, extra)
        SELECT 1000000 + n % {devices}, t, t + interval '1 second', t, 0, 0, n % 101, 'wifi',
            'Café ' || n % 9, md5((n % {devices})::text),
            CASE WHEN n % 13 = 0 THEN jsonb_build_object('n', n) END
        FROM (SELECT n, timestamptz '{day} 00:00Z' + (n * 7919 % 8640) * interval '10 seconds' AS t
              FROM generate_series(1, {rows}) AS n) AS s
        ON CONFLICT DO NOTHING RETURNING 1""")
    made = appliance.sql(f"SELECT h::text FROM {name} h ORDER BY device_id, bucket")
    appliance.sql(f"""
        ALTER TABLE heartbeats ATTACH PARTITION {name} FOR VALUES FROM ('{day} 00:00Z')
            TO ('{day + datetime.timedelta(days=1)} 00:00Z')""")
    if known:
        register(appliance, day)
    return made


def register(appliance, day):
    """From here on the archive knows of it."""
    appliance.sql("INSERT INTO partition_registry (parent, partition, range_from, range_to)"
                  f" VALUES ('heartbeats', '{partition(day)}', '{day} 00:00Z',"
                  f" timestamptz '{day} 00:00Z' + '1 day')")


def rows_of(appliance, day):
    """As text, so that every value counts."""
    return appliance.sql(f"SELECT h::text FROM heartbeats h WHERE bucket >= '{day} 00:00Z'"
                         f" AND bucket < timestamptz '{day} 00:00Z' + interval '1 day'"
                         " ORDER BY device_id, bucket")


def state_of(appliance, day):
    return appliance.sql("SELECT state FROM partition_registry WHERE partition = %s",
                         partition(day))[0][0]


def wait_state(appliance, day, state):
    wait_until(lambda: state_of(appliance, day) == state, f"{day} to be {state}", 180)


def wait_request(appliance, request):
    return wait_until(
        lambda: (now := get(appliance, f"/admin/archive-requests/{request['id']}"))["finished_at"]
        and now, f"{request['kind']} of {request['day']} to end", 180)


def archive(appliance, *words, expect=0):
    return ctl(appliance, "archive", *words, expect=expect)


def verify_directory(appliance, directory, expect=0):
    """Without the appliance: another process, no URL, no key."""
    done = subprocess.run([appliance.bin_dir / "musterctl", "archive", "verify", "--directory",
                           directory, "--json"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=180, env={"HOME": str(directory)})
    assert done.returncode == expect, done
    return json.loads(done.stdout)


def files_of(root):
    return sorted(path for path in pathlib.Path(root).rglob("*") if path.is_file())
