# SPDX-License-Identifier: Apache-2.0
"""Two who change the same thing: with If-Match the later one overwrites nothing unseen."""
import concurrent.futures
import re
import threading
import uuid

import pytest

import people
from appliance import wait_until

pytestmark = pytest.mark.one_thread

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-general-max", "0",
           "--limits-general-burst", "0")
TAG = re.compile(r'"[0-9a-f]{32}"')


@pytest.fixture(scope="module")
def boss(daemon):
    return people.admin(daemon)


@pytest.fixture(scope="module")
def operator(boss):
    return people.make(boss, "operator")


@pytest.fixture
def device(daemon):
    return daemon.register("till 7")


@pytest.fixture
def path(device):
    return f"/admin/devices/{device['device_id']}"


@pytest.fixture(params=["device", "fleet"])
def monitoring(request, daemon, path):
    """Where nothing is set yet."""
    yield path + "/monitoring" if request.param == "device" else "/admin/monitoring"
    daemon.sql("DELETE FROM device_monitoring WHERE device_id = 0")


def tag_of(answer):
    assert TAG.fullmatch(answer.headers["ETag"]), answer.headers
    return answer.headers["ETag"]


def read(person, path):
    return tag_of(person.ask("GET", path, expect=200))


def change(person, path, body, tag, expect=200):
    return person.ask("PATCH", path, body, expect=expect, headers={"If-Match": tag})


def refused(answer, what):
    assert answer.status_code == 412, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert people.slug(answer) == "changed-meanwhile"
    detail = answer.json()["detail"]
    assert f"this {what}" in detail and "Read it again" in detail and detail.endswith(".")


def audited(daemon, device):
    return daemon.sql("SELECT count(*) FROM audit_log WHERE subject = %s",
                      f"device:{device['device_id']}")[0][0]


def test_the_later_of_two_is_told(daemon, boss, operator, device, path):
    seen_by_both = read(boss, path)
    assert read(operator, path) == seen_by_both
    made = change(boss, path, {"alias": "till 8", "tags": ["a"]}, seen_by_both)
    assert tag_of(made) == read(boss, path) != seen_by_both
    lines = audited(daemon, device)
    refused(change(operator, path, {"alias": "till 9"}, seen_by_both, expect=412), "device")
    now = boss.ask("GET", path, expect=200)
    assert (now.json()["alias"], now.json()["tags"]) == ("till 8", ["a"])
    assert tag_of(now) == tag_of(made) and audited(daemon, device) == lines
    assert change(operator, path, {"alias": "till 9"}, tag_of(now)).json()["alias"] == "till 9"


def test_the_tag_is_of_what_people_wrote(daemon, boss, device, path):
    tag = read(boss, path)
    daemon.heartbeat(device["token"], battery=50)
    wait_until(lambda: boss.ask("GET", path).json()["last"], "the heartbeat to be seen")
    boss.ask("PATCH", path + "/monitoring", {"threshold_min": 5}, expect=200)
    assert read(boss, path) == tag
    tags = {tag}
    for body in ({"alias": "b"}, {"tags": ["b"]}, {"site": "b"}, {"notes": "b"},
                 {"heartbeat_interval_s": 30}):
        tags.add(tag_of(boss.ask("PATCH", path, body, expect=200)))
    assert len(tags) == 6
    boss.ask("PATCH", path, {"alias": "till 7", "tags": [], "site": None, "notes": None,
                             "heartbeat_interval_s": None}, expect=200)
    assert read(boss, path) == tag  # nobody overwrites anything unseen


@pytest.mark.parametrize("wish, status", [
    ("{tag}", 200), ('"other", {tag}', 200), ("*", 200), ("W/{tag}", 412), ('"other"', 412),
    ("{bare}", 412), ("", 412), (",", 412)])
def test_what_if_match_means(boss, path, wish, status):
    tag = read(boss, path)
    wish = wish.format(tag=tag, bare=tag.strip('"'))
    change(boss, path, {"site": "Kiel"}, wish, expect=status)
    change(boss, path + "/monitoring", {"threshold_min": 5},
           wish.replace(tag, read(boss, path + "/monitoring")), expect=status)


def test_without_it_the_later_one_stands(boss, operator, path):
    for person, alias in ((boss, "a"), (operator, "b")):
        person.ask("PATCH", path, {"alias": alias}, expect=200)
        person.ask("PATCH", path + "/monitoring", {"display_name": alias}, expect=200)
    assert boss.ask("GET", path, expect=200).json()["alias"] == "b"
    assert boss.ask("GET", path + "/monitoring", expect=200).json()["display_name"] == "b"


def test_what_is_wrong_or_gone_is_said_first(daemon, boss, device, path):
    change(boss, path, {"alias": ""}, '"old"', expect=400)
    assert daemon.delete_device(device["device_id"]).status_code == 204
    change(boss, path, {"alias": "x"}, '"old"', expect=404)
    change(boss, path + "/monitoring", {"threshold_min": 5}, '"old"', expect=404)


def test_monitoring_has_a_tag_too(boss, operator, monitoring):
    nothing = read(boss, monitoring)
    made = change(boss, monitoring, {"threshold_min": 5}, nothing)
    assert tag_of(made) == read(operator, monitoring) != nothing
    refused(change(operator, monitoring, {"threshold_min": 7}, nothing, expect=412), "monitoring")
    assert boss.ask("GET", monitoring, expect=200).json()["threshold_min"] == 5
    again = change(operator, monitoring, {"threshold_min": None}, tag_of(made))
    assert tag_of(again) == nothing  # as if it had never been set


def both(boss, operator, path, bodies, tag):
    """At the same moment: the answers."""
    start = threading.Barrier(2)

    def send(person, body):
        start.wait(60)
        return change(person, path, body, tag, expect=None)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(send, *one) for one in zip((boss, operator), bodies)]
        return [one.result() for one in sent]


def test_of_two_at_the_same_moment_one_wins(boss, operator, path):
    for what, where, name in (("device", path, "alias"),
                              ("monitoring", path + "/monitoring", "display_name")):
        for turn in range(10):
            bodies = [{name: f"{who} {turn}"} for who in ("boss", "operator")]
            answers = both(boss, operator, where, bodies, read(boss, where))
            assert sorted(answer.status_code for answer in answers) == [200, 412], what
            won = [body for answer, body in zip(answers, bodies) if answer.status_code == 200]
            assert boss.ask("GET", where, expect=200).json()[name] == won[0][name]
            refused(max(answers, key=lambda answer: answer.status_code), what)


def waits_for_a_lock(daemon):
    return daemon.sql("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0] > 0


OTHERS = {  # what another transaction, not committed yet, has done to it
    "device": ("", "UPDATE devices SET alias = 'theirs' WHERE id = %s"),
    "monitoring": ("/monitoring", "UPDATE device_monitoring SET threshold_min = 9"
                                  " WHERE device_id = %s"),
    "the first monitoring": ("/monitoring", "INSERT INTO device_monitoring (device_id, package,"
                                            " updated_by) VALUES (%s, 'theirs', 'test')"),
}


@pytest.mark.parametrize("which", OTHERS)
@pytest.mark.parametrize("asks", [True, False], ids=["asks", "does-not"])
def test_a_change_that_waited_for_another(daemon, boss, device, path, which, asks):
    """The tag is compared under the row's lock, with what the other one left."""
    more, statement = OTHERS[which]
    if which == "monitoring":
        boss.ask("PATCH", path + more, {"threshold_min": 5}, expect=200)
    body = {"site": uuid.uuid4().hex} if which == "device" else {"display_name": "mine"}
    headers = {"If-Match": read(boss, path + more)} if asks else {}
    other = daemon.connect()
    try:
        with other.cursor() as cursor, concurrent.futures.ThreadPoolExecutor(1) as pool:
            cursor.execute(statement, (int(device["device_id"]),))
            mine = pool.submit(boss.ask, "PATCH", path + more, body, headers=headers)
            wait_until(lambda: mine.done() or waits_for_a_lock(daemon), "the change to wait")
            assert not mine.done()
            other.commit()
            answer = mine.result()
    finally:
        other.close()
    if asks:
        refused(answer, "device" if which == "device" else "monitoring")
    else:
        assert answer.status_code == 200, answer.text


def test_the_description_tells_of_it(boss):
    paths = boss.ask("GET", "/api/openapi.json", expect=200).json()["paths"]
    heeds = {(path, method) for path, item in paths.items() for method, one in item.items()
             if {"$ref": "#/components/parameters/IfMatch"} in one.get("parameters", [])}
    tagged = {(path, method) for path, item in paths.items() for method, one in item.items()
              if "ETag" in one["responses"].get("200", {}).get("headers", {})}
    where = ["/admin/devices/{id}", "/admin/devices/{id}/monitoring", "/admin/monitoring"]
    assert heeds == {(path, "patch") for path in where}
    assert tagged == heeds | {(path, "get") for path in where}
    assert all("412" in paths[path][method]["responses"] for path, method in heeds)
