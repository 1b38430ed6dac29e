# SPDX-License-Identifier: Apache-2.0
"""Views of the console's lists, kept in the account: they are there in every browser."""
import concurrent.futures

import pytest

import people
from appliance import wait_until
from people import PASSWORD, Person, slug

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-auth-failures", "0")
VIEWS = "/api/auth/me/views"
MOST = 50


@pytest.fixture
def boss(daemon):
    return people.admin(daemon)


@pytest.fixture
def person(boss):
    return people.make(boss)


def save(person, name, query="status=silent", page="devices", expect=200, **more):
    body = {"page": page, "name": name, "query": query, **more}
    return person.ask("POST", VIEWS, body, expect=expect).json()


def views(person, page="devices"):
    return person.ask("GET", f"{VIEWS}?page={page}", expect=200).json()["views"]


def kept(person, page="devices"):
    return {view["name"]: view["query"] for view in views(person, page)}


def all_at_once(jobs):
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        return [done.result() for done in [pool.submit(job) for job in jobs]]


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_everybody_keeps_views_wherever_they_sign_in(daemon, boss, role):
    here = people.make(boss, role)
    assert views(here) == []
    made = save(here, "Silent in Porto", "status=silent&site=Porto")
    assert (made["page"], made["name"], made["query"]) == ("devices", "Silent in Porto",
                                                           "status=silent&site=Porto")
    elsewhere = Person(daemon, here.username, PASSWORD)
    elsewhere.sign_in()
    assert views(elsewhere) == [made]


def test_a_view_of_the_same_name_is_replaced(person):
    first = save(person, "Mine", "q=a")
    second = save(person, "Mine", "q=b")
    assert second["id"] == first["id"] and second["updated_at"] >= first["updated_at"]
    assert kept(person) == {"Mine": "q=b"}
    save(person, "mine", "q=c")  # names are what was typed
    assert kept(person) == {"Mine": "q=b", "mine": "q=c"}


def test_unless_it_must_not_be(person):
    save(person, "Mine", "q=a", replace=False)
    refused = person.ask("POST", VIEWS, {"page": "devices", "name": "Mine", "query": "q=b",
                                         "replace": False}, expect=409)
    assert slug(refused) == "name-taken" and refused.json()["field"] == "name"
    assert refused.json()["detail"] == 'You have a view called "Mine" already.'
    assert kept(person) == {"Mine": "q=a"}


def test_pages_are_apart(person):
    save(person, "Today", "q=a")
    save(person, "Today", "q=b", page="audit")
    assert kept(person) == {"Today": "q=a"}
    assert kept(person, "audit") == {"Today": "q=b"}
    assert kept(person, "commands") == {}
    everything = person.ask("GET", VIEWS, expect=200).json()["views"]
    assert [(view["page"], view["query"]) for view in everything] == [("audit", "q=b"),
                                                                      ("devices", "q=a")]


def test_another_name(person):
    view = save(person, "Mine", "q=a")
    renamed = person.ask("PATCH", f"{VIEWS}/{view['id']}", {"name": "Märchen 🦊"},
                         expect=200).json()
    assert (renamed["id"], renamed["name"], renamed["query"]) == (view["id"], "Märchen 🦊", "q=a")
    person.ask("PATCH", f"{VIEWS}/{view['id']}", {"name": "Märchen 🦊"}, expect=200)  # as it was
    assert kept(person) == {"Märchen 🦊": "q=a"}


def test_not_the_name_of_another(person):
    view = save(person, "Mine", "q=a")
    save(person, "Taken", "q=b")
    save(person, "Elsewhere", page="audit")
    refused = person.ask("PATCH", f"{VIEWS}/{view['id']}", {"name": "Taken"}, expect=409)
    assert slug(refused) == "name-taken" and refused.json()["field"] == "name"
    assert refused.json()["detail"] == 'You have a view called "Taken" already.'
    person.ask("PATCH", f"{VIEWS}/{view['id']}", {"name": "Elsewhere"}, expect=200)
    assert kept(person) == {"Elsewhere": "q=a", "Taken": "q=b"}


def test_deleted(person):
    view = save(person, "Mine")
    save(person, "Other")
    person.ask("DELETE", f"{VIEWS}/{view['id']}", expect=204)
    assert list(kept(person)) == ["Other"]
    for method, body in (("DELETE", None), ("PATCH", {"name": "x"})):
        gone = person.ask(method, f"{VIEWS}/{view['id']}", body, expect=404)
        assert gone.json()["detail"] == "There is no such view."
        person.ask(method, f"{VIEWS}/x", body, expect=404)


def test_nobody_sees_the_views_of_others(boss, person):
    view = save(person, "Mine", "q=a")
    for other in (boss, people.make(boss, "admin")):
        assert view["id"] not in {one["id"] for one in
                                  other.ask("GET", VIEWS, expect=200).json()["views"]}
        other.ask("PATCH", f"{VIEWS}/{view['id']}", {"name": "Yours"}, expect=404)
        other.ask("DELETE", f"{VIEWS}/{view['id']}", expect=404)
        save(other, "Mine", "q=theirs")
    assert kept(person) == {"Mine": "q=a"}


@pytest.mark.parametrize("body, field", [
    ({"page": "devices", "query": ""}, "name"), ({"name": "a", "query": ""}, "page"),
    ({"page": "devices", "name": "a"}, "query"),
    ({"page": "elsewhere", "name": "a", "query": ""}, "page"),
    ({"page": "devices", "name": "", "query": ""}, "name"),
    ({"page": "devices", "name": " ", "query": ""}, "name"),
    ({"page": "devices", "name": "a ", "query": ""}, "name"),
    ({"page": "devices", "name": " a", "query": ""}, "name"),
    ({"page": "devices", "name": "a\nb", "query": ""}, "name"),
    ({"page": "devices", "name": "ä" * 101, "query": ""}, "name"),
    ({"page": "devices", "name": "a", "query": "q" * 8001}, "query"),
    ({"page": "devices", "name": "a", "query": "", "user": "1"}, "user")])
def test_malformed_views(person, body, field):
    refused = person.ask("POST", VIEWS, body, expect=400).json()
    assert refused["field"] == field and refused["detail"].endswith(".")
    assert views(person) == []


def test_the_longest_view(person):
    view = save(person, "ä" * 100, "q" * 8000)
    save(person, "everything", "")
    for name, status in (("🦊" * 100, 200), ("🦊" * 101, 400), ("a ", 400), ("", 400)):
        person.ask("PATCH", f"{VIEWS}/{view['id']}", {"name": name}, expect=status)
    assert kept(person) == {"🦊" * 100: "q" * 8000, "everything": ""}


def test_room_for_fifty_on_each_page(person):
    for i in range(MOST):
        save(person, f"view {i}", "q=a")
    refused = person.ask("POST", VIEWS, {"page": "devices", "name": "more", "query": ""},
                         expect=409)
    assert slug(refused) == "too-many-views"
    assert refused.json()["detail"] == ("You have 50 views of this page already; delete one "
                                        "first.")
    save(person, "view 7", "q=b")  # its place is its own
    save(person, "more", page="alerts")
    person.ask("DELETE", f"{VIEWS}/{views(person)[0]['id']}", expect=204)
    save(person, "more", "q=c")
    assert len(views(person)) == MOST
    assert kept(person)["view 7"] == "q=b" and kept(person)["more"] == "q=c"


def test_browsers_at_once_lose_nothing(daemon, person):
    browsers = [Person(daemon, person.username, PASSWORD) for _ in range(8)]
    for browser in browsers:
        browser.sign_in()
    all_at_once([lambda b=b, i=i: [save(b, f"view {i} {n}", f"q={n}") for n in range(4)]
                 for i, b in enumerate(browsers)])
    assert kept(person) == {f"view {i} {n}": f"q={n}" for i in range(8) for n in range(4)}


def test_browsers_at_once_stay_within_the_room(daemon, person):
    """Who saves while another's last place is taken, but not committed, waits for that."""
    for i in range(MOST - 1):
        save(person, f"view {i}")
    mine = int(person.id())
    other = daemon.connect()
    try:
        with other, other.cursor() as cursor:
            cursor.execute("SELECT id FROM users WHERE id = %s FOR NO KEY UPDATE", (mine,))
            cursor.execute("INSERT INTO saved_views (user_id, page, name, query)"
                           " VALUES (%s, 'devices', 'the last', '')", (mine,))
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                answer = pool.submit(person.ask, "POST", VIEWS,
                                     {"page": "devices", "name": "one more", "query": ""})
                wait_until(lambda: answer.done() or daemon.sql(
                    "SELECT pid FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))",
                    other.get_backend_pid()), "the second to wait for the first")
                assert not answer.done(), answer.result().text
                other.commit()
                assert answer.result().status_code == 409
    finally:
        other.close()
    assert len(views(person)) == MOST


def test_at_once_under_one_name_it_is_one_view(person):
    made = all_at_once([lambda i=i: save(person, "Mine", f"q={i}") for i in range(8)])
    assert len({view["id"] for view in made}) == 1
    assert list(kept(person)) == ["Mine"]


def test_they_go_with_their_person(daemon, boss, person):
    save(person, "Mine")
    mine = int(person.id())
    assert daemon.sql("SELECT count(*) FROM saved_views WHERE user_id = %s", mine) == [(1,)]
    boss.ask("DELETE", f"/admin/users/{mine}", expect=204)
    assert daemon.sql("SELECT count(*) FROM saved_views WHERE user_id = %s", mine) == [(0,)]


def test_a_key_is_nobody(daemon, boss):
    token = boss.ask("POST", "/admin/api-tokens", {"name": "program", "scopes": ["devices:*"],
                                                   "expires_in_s": 3600}, expect=201).json()
    refused = boss.ask("GET", VIEWS, token=token["token"], expect=403).json()
    assert refused["detail"] == "No API token can do this; it needs a person who is signed in."
    stranger = Person(daemon, "nobody", PASSWORD)
    refused = stranger.ask("GET", VIEWS, headers=daemon.admin_headers(), expect=403).json()
    assert refused["detail"].startswith("The admin key does not open this; it needs a person")


def test_they_outlive_a_restart(make_appliance):
    appliance = make_appliance(options=OPTIONS)
    appliance.start()
    boss = people.admin(appliance)
    view = save(boss, "Mine", "q=a")
    assert appliance.terminate() == 0
    appliance.start()
    assert views(boss) == [view]
