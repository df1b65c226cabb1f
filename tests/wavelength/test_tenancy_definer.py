"""The few functions that run past the policies, and what somebody with the application's role could make of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from django.utils import timezone

from accounts.models import AuditEvent, Presence, User
from chats.models import Chat, Message, SharedLink
from tests.rows import stored
from tests.wavelength.isolation import refused
from wavelength.tenancy import tenant
from wavelength.tenancy.lint import DEFINER_FUNCTIONS

pytestmark = pytest.mark.django_db(databases=["default", "operator", "owner"])
NOBODY = str(UUID(int=0))


def asked(statement: str, *values: str | bytes) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        return rows


def found(words: str) -> set[UUID]:
    return {chat for chat, _ in asked("SELECT * FROM search_chats(%s, 10)", words)}


@pytest.fixture
def chats(alice: User, bob: User) -> dict[UUID, UUID]:
    """A chat of each, which say the same but for their names: person → chat."""
    for person in (alice, bob):
        stored(Message, person)
    return {person.pk: stored(Chat, person).pk for person in (alice, bob)}


def test_the_list_is_the_database(alice: User) -> None:
    names = asked("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace")
    assert {name for (name,) in names} == set(DEFINER_FUNCTIONS)


def test_search_finds_ones_own(chats: dict[UUID, UUID]) -> None:
    for person, chat in chats.items():
        with tenant(person):
            assert found("words") == {chat}


def test_search_finds_nothing_outside_a_tenant(chats: dict[UUID, UUID]) -> None:
    assert found("words") == set()


@pytest.mark.parametrize("words", ["", "'", "' OR true --", "a & !b | (", '"', "\\", "-words", "words or chat", "%"])
def test_no_words_reach_another(chats: dict[UUID, UUID], alice: User, words: str) -> None:
    with tenant(alice.pk):
        assert found(words) <= {chats[alice.pk]}


def test_a_link_is_found_by_its_whole_hash_alone(chats: dict[UUID, UUID], alice: User) -> None:
    link = stored(SharedLink, alice)
    token_hash = bytes(link.token_hash)
    assert asked("SELECT * FROM shared_chat(%s)", token_hash) == []  # it has ended
    with tenant(alice.pk):
        SharedLink.objects.update(expires_at=timezone.now() + timedelta(days=1))
    for hashed in (b"", token_hash[:31], token_hash + b"x", bytes(32)):
        assert asked("SELECT * FROM shared_chat(%s)", hashed) == []
    assert asked("SELECT * FROM shared_chat(%s)", token_hash) == [(alice.pk, link.chat_id)]


def test_due_hands_out_ids_and_nothing_else(alice: User, bob: User) -> None:
    rows = asked("SELECT due('rotation', 10, %s::uuid, 'another ring key')", NOBODY)
    assert {person for (person,) in rows} == {alice.pk, bob.pk}
    [(kind,)] = asked("SELECT pg_get_function_result('due(text, bigint, uuid, text)'::regprocedure)")
    assert kind == "SETOF uuid"


@pytest.mark.parametrize("kind", ["", "everything", "rotation' OR true --", "rotation\\"])
def test_due_knows_no_other_kind(alice: User, kind: str) -> None:
    assert asked("SELECT due(%s, 10, %s::uuid, '')", kind, NOBODY) == []


def test_due_hands_out_no_more_than_asked(alice: User, bob: User) -> None:
    assert len(asked("SELECT due('rotation', 1, %s::uuid, 'another')", NOBODY)) == 1
    with refused("2201W"):
        asked("SELECT due('rotation', -1, %s::uuid, 'another')", NOBODY)


def pruned(kind: str, age: str, page: int = 0, *, only_count: bool = False) -> int:
    call = f"SELECT taken FROM prune_old(%s, %s::interval, {page}, 256, {only_count})"
    [(taken,)] = asked(call, kind, age)
    return int(taken)


@pytest.mark.parametrize("age", ["0", "-100 years", "1 day"])
def test_nobody_prunes_a_trail_that_is_younger_than_90_days(alice: User, age: str) -> None:
    with tenant(alice.pk):
        for days in (89, 91):
            AuditEvent.objects.create(user=alice, kind=f"test.{days}", at=timezone.now() - timedelta(days=days))
    assert pruned("events", age, only_count=True) == 1
    assert pruned("events", age) == 1
    with tenant(alice.pk):
        assert set(AuditEvent.objects.values_list("kind", flat=True)) == {"account.created", "test.89"}


@pytest.mark.parametrize("kind", ["", "everything", "accounts_user", "events' OR true --", "ledger"])
def test_pruning_knows_no_other_kind(alice: User, kind: str) -> None:
    with refused("22023"):
        pruned(kind, "0")


@pytest.mark.parametrize("page", [10**6, 2**31])
def test_pruning_looks_at_no_page_that_is_not_there(alice: User, page: int) -> None:
    with tenant(alice.pk):
        AuditEvent.objects.create(user=alice, kind="test.old", at=timezone.now() - timedelta(days=100))
    assert pruned("events", "0", page) == 0


def test_the_trail_is_deleted_in_no_other_way(alice: User) -> None:
    with tenant(alice.pk):
        with refused("42501"):
            asked("DELETE FROM accounts_auditevent")
        with refused("42501"):
            asked("UPDATE accounts_auditevent SET kind = 'x'")


def test_presence_is_noted_of_people_there_are_and_answers_nothing(alice: User) -> None:
    for _ in range(2):
        assert asked("SELECT note_presence(%s::uuid[])", f"{{{alice.pk},{NOBODY}}}") == [(None,)]
    with tenant(alice.pk):
        assert [presence.user_id for presence in Presence.objects.all()] == [alice.pk]


def test_ring_keys_are_counted_without_names(alice: User, bob: User) -> None:
    [(ring_key, held)] = asked("SELECT * FROM ring_keys_in_use()")
    assert held == 2
    assert str(alice.pk) not in str(ring_key)


def test_a_temporary_table_does_not_stand_in(alice: User) -> None:
    """The application may make temporary tables, for bulk loads; no function may take one for ours."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE accounts_datakey (user_id uuid, ring_key_id text) ON COMMIT DROP")
        cursor.execute("SET LOCAL search_path = pg_temp, public")
        cursor.execute("INSERT INTO accounts_datakey VALUES (gen_random_uuid(), 'forged')")
    assert "forged" not in str(asked("SELECT * FROM ring_keys_in_use()"))
    assert asked("SELECT due('rotation', 10, %s::uuid, 'another')", NOBODY) == [(alice.pk,)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.trap ()",
        "CREATE FUNCTION public.count(uuid) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        "CREATE OR REPLACE FUNCTION public.ring_keys_in_use() RETURNS void LANGUAGE sql AS ''",
        "ALTER FUNCTION ring_keys_in_use() RESET search_path",
        "CREATE SCHEMA trap",
        "SET ROLE wl_owner",
        "SET SESSION AUTHORIZATION wl_owner",
        "ALTER ROLE wl_app BYPASSRLS",
        "ALTER TABLE accounts_profile DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON accounts_profile",
        "CREATE TRIGGER trap BEFORE INSERT ON accounts_profile EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
def test_the_application_cannot_prepare_a_trap(alice: User, statement: str) -> None:
    with refused("42501"):
        asked(statement)


@pytest.mark.parametrize(
    "call",
    [
        "prune_old('events', '1 day', 0, 1, false)",
        "ring_keys_in_use()",
        f"due('rotation', 1, '{NOBODY}'::uuid, '')",
        "search_chats('words', 1)",
        "shared_chat('')",
        "collect_metrics('hours', now(), now())",
        "note_presence('{}')",
    ],
)
def test_only_the_application_may_call_them(call: str) -> None:
    with refused("42501", "operator"), connections["operator"].cursor() as cursor:
        cursor.execute(f"SELECT * FROM {call}")
