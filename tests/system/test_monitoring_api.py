# SPDX-License-Identifier: Apache-2.0
"""The service that a device is there for: what is set, what applies, and what its agent hears."""
import json

import pytest

import people

pytestmark = pytest.mark.one_thread

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-general-max", "0",
           "--limits-general-burst", "0")
MEMBERS = ["enabled", "package", "display_name", "threshold_min", "auto_remediate",
           "auto_relaunch"]


@pytest.fixture(scope="module")
def boss(daemon):
    return people.admin(daemon)


@pytest.fixture(scope="module")
def operator(boss):
    return people.make(boss, "operator")


@pytest.fixture
def device(daemon):
    return daemon.register("monitored")


@pytest.fixture(autouse=True)
def no_default(daemon):
    yield
    daemon.sql("DELETE FROM device_monitoring WHERE device_id = 0")


def monitoring(person, device):
    return person.ask("GET", f"/admin/devices/{device['device_id']}/monitoring",
                      expect=200).json()


def change(person, device, body, expect=200):
    return person.ask("PATCH", f"/admin/devices/{device['device_id']}/monitoring", body,
                      expect=expect).json()


def fetched(daemon, device):
    """Payloads of the commands that wait for the device, as its agent gets them."""
    answer = daemon.session.get(daemon.url + "/v1/commands", timeout=30,
                                headers={"Authorization": "Bearer " + device["token"]})
    assert answer.status_code == 200, answer.text
    return {command["command_id"]: (command["type"], json.loads(command["payload"]))
            for command in answer.json()["commands"]}


def test_nothing_is_set(boss, device):
    now = monitoring(boss, device)
    assert {name: now[name] for name in MEMBERS} == {
        "enabled": False, "package": None, "display_name": None, "threshold_min": 10,
        "auto_remediate": False, "auto_relaunch": False}
    assert now["from_fleet"] == MEMBERS and now["updated_at"] is None
    boss.ask("GET", "/admin/devices/999999/monitoring", expect=404)
    boss.ask("PATCH", "/admin/devices/999999/monitoring", {"threshold_min": 5}, expect=404)


@pytest.mark.parametrize("value", [0, 121, -1, 1.5, 10.0, "10", True, [], 10**20])
def test_thresholds_that_are_none(boss, device, value):
    for path in (f"/admin/devices/{device['device_id']}/monitoring", "/admin/monitoring"):
        refused = boss.ask("PATCH", path, {"threshold_min": value}, expect=400).json()
        assert refused["detail"] == "threshold_min must be a whole number from 1 to 120." \
            or value == 10**20, refused
        assert refused.get("field") in ("threshold_min", None)
    assert monitoring(boss, device)["threshold_min"] == 10


@pytest.mark.parametrize("value", [1, 2, 119, 120])
def test_thresholds_that_are(boss, device, value):
    assert change(boss, device, {"threshold_min": value})["threshold_min"] == value
    assert monitoring(boss, device)["threshold_min"] == value


@pytest.mark.parametrize("body, names", [
    ({"package": ""}, "package"), ({"package": "x" * 256}, "package"), ({"package": 7}, "package"),
    ({"package": "a\u0001b"}, "package"), ({"display_name": "x" * 101}, "display_name"),
    ({"enabled": "yes"}, "enabled"), ({"auto_relaunch": 1}, "auto_relaunch"),
    ({"threshold": 5}, "threshold"),
])
def test_other_wrong_values(boss, device, body, names):
    assert names in json.dumps(change(boss, device, body, expect=400))


def test_a_device_hears_of_its_package(daemon, boss, operator, device):
    viewer = people.make(boss, "viewer")
    viewer.ask("PATCH", f"/admin/devices/{device['device_id']}/monitoring", {"enabled": True},
               expect=403)
    first = change(operator, device, {"package": "com.example.till", "display_name": "Till",
                                      "threshold_min": 3})
    assert first["enabled"] is True and first["display_name"] == "Till"
    assert first["from_fleet"] == ["enabled", "auto_remediate", "auto_relaunch"]
    assert first["updated_by"] == f"user:{operator.username}"
    assert fetched(daemon, device)[first["command_id"]] == (
        "set_config", {"settings": {"monitored_package": "com.example.till",
                                    "auto_relaunch": False}})
    before, after = daemon.sql("SELECT before, after FROM audit_log WHERE subject = %s"
                               " AND action = 'monitoring.change'",
                               f"device:{device['device_id']}")[0]
    assert "package" not in before and after["package"] == "com.example.till"

    # What the agent has no use for is not told, nor what it has heard already.
    for body in ({"threshold_min": 4}, {"display_name": "Kasse"}, {"auto_remediate": True},
                 {"package": "com.example.till"}, {"enabled": False}, {}):
        assert change(operator, device, body)["command_id"] is None, body
    relaunch = change(operator, device, {"auto_relaunch": True})
    assert fetched(daemon, device)[relaunch["command_id"]][1]["settings"]["auto_relaunch"] is True
    none = change(operator, device, {"package": None, "auto_relaunch": None})
    assert none["package"] is None
    assert fetched(daemon, device)[none["command_id"]][1] == {
        "settings": {"monitored_package": None, "auto_relaunch": False}}
    now = monitoring(viewer, device)
    assert now["threshold_min"] == 4 and now["enabled"] is False
    assert set(now["from_fleet"]) == {"package", "auto_relaunch"}


def test_the_fleets_default(daemon, boss, operator, device):
    fleet = operator.ask("GET", "/admin/monitoring", expect=200).json()
    assert fleet["from_default"] == MEMBERS and fleet["enabled"] is False
    commands = daemon.sql("SELECT count(*) FROM commands")
    fleet = operator.ask("PATCH", "/admin/monitoring",
                         {"package": "com.example.kiosk", "threshold_min": 20,
                          "auto_relaunch": True}, expect=200).json()
    assert fleet["enabled"] is True and fleet["from_default"] == ["enabled", "display_name",
                                                                 "auto_remediate"]
    assert daemon.sql("SELECT count(*) FROM commands") == commands
    now = monitoring(operator, device)
    assert (now["package"], now["threshold_min"], now["auto_relaunch"], now["enabled"]) == (
        "com.example.kiosk", 20, True, True)
    assert now["display_name"] == "com.example.kiosk" and now["from_fleet"] == MEMBERS

    own = change(operator, device, {"threshold_min": 1, "enabled": False})
    assert own["command_id"] is None and own["package"] == "com.example.kiosk"
    operator.ask("PATCH", "/admin/monitoring", {"threshold_min": 40, "enabled": True}, expect=200)
    now = monitoring(operator, device)
    assert now["threshold_min"] == 1 and now["enabled"] is False
    back = change(operator, device, {"threshold_min": None, "enabled": None})
    assert back["threshold_min"] == 40 and back["enabled"] is True


def test_an_unset_threshold_is_the_rules(boss, device):
    rule = f"/admin/alert-rules/service_down/devices/{device['device_id']}"
    boss.ask("PUT", rule, {"threshold": 33}, expect=200)
    assert monitoring(boss, device)["threshold_min"] == 33
    boss.ask("PATCH", "/admin/monitoring", {"threshold_min": 44}, expect=200)
    assert monitoring(boss, device)["threshold_min"] == 44
    assert change(boss, device, {"threshold_min": 55})["threshold_min"] == 55


def test_a_change_that_can_not_be_told_is_none(daemon, boss, device):
    """As many commands wait as may: nothing is changed."""
    daemon.sql("INSERT INTO commands (device_id, type, payload, ttl_s, state, queued_at,"
               " expires_at, created_by) SELECT %s, 'ping', '{}', 600, 'queued', now(),"
               " now() + interval '1 hour', 'test' FROM generate_series(1, 500)",
               int(device["device_id"]))
    refused = change(boss, device, {"package": "com.example.late"}, expect=409)
    assert "500 commands" in refused["detail"]
    assert monitoring(boss, device)["package"] is None
    assert change(boss, device, {"threshold_min": 7})["threshold_min"] == 7
