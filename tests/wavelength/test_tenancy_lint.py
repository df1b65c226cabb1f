"""The catalog lint: it finds nothing here, and it finds every way of getting it wrong."""

from collections.abc import Iterator

import pytest
from django.db import connections, transaction

from wavelength.tenancy import lint
from wavelength.tenancy.operations import IS_TENANT

pytestmark = pytest.mark.django_db(databases=["default", "operator", "owner"])

# A tenant table as IsolateTenant makes it, beside chats' and profile's: each mutation below spoils it.
GOOD = f"""
    CREATE TABLE note_book (id uuid PRIMARY KEY, user_id uuid NOT NULL, UNIQUE (user_id, id),
        FOREIGN KEY (user_id) REFERENCES accounts_user (id) ON DELETE CASCADE);
    CREATE TABLE note (id uuid PRIMARY KEY, user_id uuid NOT NULL, book_id uuid, title text, UNIQUE (user_id, title),
        FOREIGN KEY (user_id) REFERENCES accounts_user (id) ON DELETE CASCADE,
        CONSTRAINT note_book_fk FOREIGN KEY (user_id, book_id) REFERENCES note_book (user_id, id) ON DELETE CASCADE);
    ALTER TABLE note_book ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    ALTER TABLE note ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON note_book TO wl_app USING ({IS_TENANT}) WITH CHECK ({IS_TENANT});
    CREATE POLICY tenant ON note TO wl_app USING ({IS_TENANT}) WITH CHECK ({IS_TENANT});
    GRANT SELECT ON note, note_book TO wl_backup;
"""
CLEARS = "ALTER TABLE note ADD CONSTRAINT clears FOREIGN KEY (user_id, book_id) REFERENCES note_book (user_id, id)"
TENANT = f"TO wl_app USING ({IS_TENANT}) WITH CHECK ({IS_TENANT})"

MUTATIONS = {
    "no row-level security": ("ALTER TABLE note DISABLE ROW LEVEL SECURITY", "note: row-level security is off."),
    "not forced": ("ALTER TABLE note NO FORCE ROW LEVEL SECURITY", "note: row-level security is not forced."),
    "no policy": ("DROP POLICY tenant ON note", "note: the policy tenant is missing"),
    "a policy for everyone": (
        "ALTER POLICY tenant ON note TO PUBLIC",
        "note: the policy tenant is missing or is not IsolateTenant's",
    ),
    "a policy that checks no writing": (
        "ALTER POLICY tenant ON note WITH CHECK (true)",
        "note: the policy tenant is missing or is not IsolateTenant's",
    ),
    "a policy for reading alone": (
        f"DROP POLICY tenant ON note; CREATE POLICY tenant ON note FOR SELECT TO wl_app USING ({IS_TENANT})",
        "note: the policy tenant is missing or is not IsolateTenant's",
    ),
    "a policy with a bypass": (
        f"ALTER POLICY tenant ON note USING ({IS_TENANT} OR true)",
        "note: the policy tenant is missing or is not IsolateTenant's",
    ),
    "a policy that casts the column": (
        "ALTER POLICY tenant ON note USING (user_id::text = current_setting('app.user_id', true))",
        "note: the policy tenant is missing or is not IsolateTenant's",
    ),
    "a restrictive policy": (
        f"DROP POLICY tenant ON note; CREATE POLICY tenant ON note AS RESTRICTIVE {TENANT}",
        "note: the policy tenant is missing or is not IsolateTenant's",
    ),
    "a second policy": (
        "CREATE POLICY support ON note TO wl_app USING (true)",
        "note: the policy support should not be there.",
    ),
    "an operator who sees what the model hides": (
        "CREATE POLICY operator ON note TO wl_operator USING (true)",
        "note: the policy operator should not be there.",
    ),
    "a plain key": (
        "ALTER TABLE note ADD CONSTRAINT plain FOREIGN KEY (book_id) REFERENCES note_book (id)",
        "note: the foreign key plain would accept another person's parent.",
    ),
    "a deferrable key": (
        "ALTER TABLE note ALTER CONSTRAINT note_book_fk DEFERRABLE INITIALLY DEFERRED",
        "note: the foreign key note_book_fk is deferrable",
    ),
    "a deferrable key to the user": (
        "ALTER TABLE note ALTER CONSTRAINT note_user_id_fkey DEFERRABLE",
        "note: the foreign key note_user_id_fkey is deferrable",
    ),
    "no key to the user": (
        "ALTER TABLE note DROP CONSTRAINT note_user_id_fkey",
        "note: user_id has no foreign key to the users, ON DELETE CASCADE.",
    ),
    "a key that clears the user": (
        f"{CLEARS} ON DELETE SET NULL",
        "note: the foreign key clears would clear user_id.",
    ),
    "a child without user_id": (
        "CREATE TABLE page (id uuid PRIMARY KEY, book_id uuid REFERENCES note_book)",
        "page: refers to note_book, whose rows belong to people, but has no user_id.",
    ),
    "a nullable user": ("ALTER TABLE note ALTER user_id DROP NOT NULL", "note: user_id must be a uuid and NOT NULL."),
    "a unique index across people": (
        "CREATE UNIQUE INDEX across ON note (title)",
        "note: the unique index across lacks user_id",
    ),
    "a unique index that only carries the user": (
        "CREATE UNIQUE INDEX carries ON note (title) INCLUDE (user_id)",
        "note: the unique index carries lacks user_id",
    ),
    "an index across people": (
        "CREATE INDEX across ON note (title)",
        "note: the index across does not lead with user_id.",
    ),
    "an index that ends with the user": (
        "CREATE INDEX ends ON note (title, user_id)",
        "note: the index ends does not lead with user_id.",
    ),
    "no index for the policy": (
        "ALTER TABLE note DROP CONSTRAINT note_user_id_title_key",
        "note: no whole index leads with user_id.",
    ),
    "an unknown definer function": (
        "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM note'",
        "peek(): runs as its owner and is not on the list",
    ),
    "a definer function without a search path": (
        "ALTER FUNCTION ring_keys_in_use() RESET search_path",
        "ring_keys_in_use(): runs as its owner without a search_path",
    ),
    "a definer function for everyone": (
        "GRANT EXECUTE ON FUNCTION ring_keys_in_use() TO PUBLIC",
        "ring_keys_in_use(): runs as its owner and anyone may call it.",
    ),
    "a view": ("CREATE VIEW all_notes AS SELECT * FROM note", "all_notes: a view reads as its owner"),
    "a materialized view": (
        "CREATE MATERIALIZED VIEW all_notes AS SELECT * FROM note",
        "all_notes: a view reads as its owner",
    ),
    "TRUNCATE": ("GRANT TRUNCATE ON note TO wl_app", "wl_app may TRUNCATE note, which nothing here grants."),
    "a table for everyone": ("GRANT SELECT ON note TO PUBLIC", "everyone may SELECT note, which nothing here grants."),
    "a table for a stranger": (
        "GRANT SELECT ON note TO pg_monitor",
        "pg_monitor may SELECT note, which nothing here grants.",
    ),
    "ciphertext for the operator": (
        "GRANT SELECT (wrapped) ON accounts_datakey TO wl_operator",
        "wl_operator may SELECT accounts_datakey.wrapped, which nothing here grants.",
    ),
    "a whole table for the operator": (
        "GRANT SELECT ON accounts_datakey TO wl_operator",
        "wl_operator may SELECT accounts_datakey, which nothing here grants.",
    ),
    "an audit trail that can be rewritten": (
        "GRANT UPDATE ON accounts_auditevent TO wl_app",
        "wl_app may UPDATE accounts_auditevent, which nothing here grants.",
    ),
    "a missing grant": (
        "REVOKE INSERT ON accounts_auditevent FROM wl_app",
        "wl_app may not INSERT accounts_auditevent: run `manage.py migrate`.",
    ),
    "the application's own table": ("ALTER TABLE note OWNER TO wl_app", "The role wl_app owns the relation note."),
    "an application that may create": (
        "GRANT CREATE ON SCHEMA public TO wl_app",
        "The role wl_app may create objects in this database.",
    ),
    "an application that is a member": (
        "GRANT wl_backup TO wl_app",
        "The role wl_app is a member of wl_backup.",
    ),
    "an application past the policies": (
        "ALTER ROLE wl_app BYPASSRLS",
        "The role wl_app is allowed to pass row-level security by.",
    ),
    "default privileges": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE wl_owner IN SCHEMA public GRANT SELECT ON TABLES TO wl_app",
        "Default privileges give wl_app rights on what wl_owner will create.",
    ),
}
# As the suite's superuser: neither the attribute nor another owner is the schema owner's to give.
BY_SUPERUSER = {"the application's own table", "an application that is a member", "an application past the policies"}


@pytest.fixture
def undone() -> Iterator[None]:
    """Whatever happens to the catalog is rolled back."""
    with transaction.atomic(using="owner"):
        yield
        transaction.set_rollback(True, using="owner")


def execute(*statements: str) -> None:
    with connections["owner"].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_it_works() -> None:
    assert lint.faults(connections["owner"]) == []


def test_a_good_table_is_found_good(undone: None) -> None:
    execute(GOOD)
    assert lint.faults(connections["owner"]) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_spoiled_catalog_is_found(undone: None, name: str) -> None:
    statement, expected = MUTATIONS[name]
    execute(GOOD)
    if name in BY_SUPERUSER:
        execute("RESET ROLE")
    execute(statement)
    found = lint.faults(connections["owner"])
    assert any(sentence.startswith(expected) for sentence in found), found


def test_the_application_may_ask_too() -> None:
    assert lint.faults(connections["default"]) == []


def test_exemptions_name_tables_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint, "EXEMPT", {**lint.EXEMPT, "nowhere": "Because."})
    assert lint.faults(connections["owner"]) == ["nowhere: exempt from policies, but no such table is there."]


def test_a_model_that_leads_to_a_person_must_belong_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        lint, "EXEMPT", {table: why for table, why in lint.EXEMPT.items() if table != "accounts_anonymoussession"}
    )
    assert lint.faults(connections["owner"]) == [
        "accounts_anonymoussession: claimed_by leads to a person, but the model is no TenantModel."
    ]


def test_every_exemption_says_why() -> None:
    assert all(len(why) > 20 for why in [*lint.EXEMPT.values(), *lint.DEFINER_FUNCTIONS.values()])
