"""What the catalog must say for people to be kept apart, asked of PostgreSQL itself.

``faults`` answers in sentences; none means that every rule of DESIGN.md §5 holds. The suite runs it, and
``manage.py check_database`` does on the real database. The rules about tables stand here, those
about roles and grants in wavelength.tenancy.privileges.
"""

from collections.abc import Iterator, Mapping

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import ForeignKey, Model

from wavelength.tenancy.models import TenantModel
from wavelength.tenancy.privileges import privilege_faults

# Read before anyone is known, so no policy can stand on them; each is named in docs/security.md.
EXEMPT: Mapping[str, str] = {
    "accounts_session": "A request brings a session key, and the row says whose it is. Holds no content.",
    "accounts_anonymoussession": "A browser says its id while nobody is known. Holds no content.",
    "account_emailaddress": "allauth finds a person by their address to sign in, verify and reset.",
    "account_emailconfirmation": "allauth finds the address by the code of a link; read without being signed in.",
    "socialaccount_socialaccount": "A provider's answer is looked up before its person is known. No tokens are stored.",
    "socialaccount_socialtoken": "Belongs to socialaccount_socialaccount; stays empty (SOCIALACCOUNT_STORE_TOKENS).",
    "mfa_authenticator": "A passkey finds its person before they are known; TOTP secrets are sealed.",
    "usersessions_usersession": "allauth joins it with the session, which is read before anyone is known.",
    "django_admin_log": "Written by the operator's role alone, about administrators' acts.",
}
# Every function that runs as the owner, past the policies, and why it may.
DEFINER_FUNCTIONS: Mapping[str, str] = {
    "collect_metrics": "Counts what everybody did in an hour, into figures that name nobody; answers how many changed.",
    "due": "Hands out the ids of people with work waiting, nothing else.",
    "live_versions": "Hashes of the usage of people whose pages are open, for the process that has them open.",
    "ring_keys_in_use": "Counts data keys by the ring key that wraps them.",
    "note_presence": "Notes that people were here today, for a thread that serves nobody; answers nothing.",
    "record_failed_signin": "Adds one kind of event to the trail of an address's owner, for somebody not signed in.",
    "shared_chat": "Finds whose chat a link shows by the hash of its token; whoever opens it is nobody.",
    "token_owner": "Finds whose a living token is by its hash, and what it may; a call that shows one is nobody's yet.",
    "prune_old": "Takes rows that are older than a least age of their kind, whosever they are, and answers how many.",
    "erase_person": "Deletes a person whose erasure has begun and whose data key is gone, and says that it did.",
    "search_chats": "Full-text search: its operators are not leakproof, so a policy would hide the index.",
}
# As PostgreSQL 15 to 18 print IS_TENANT (wavelength.tenancy.operations).
BARE_FORM = "(user_id = (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)"

_OURS = "c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
_TENANT = f"""
    tenant AS (
        SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relowner,
               a.attnum AS user_id, a.atttypid, a.attnotnull
          FROM pg_class c
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped
         WHERE {_OURS} AND NOT c.relname = ANY (%(exempt)s)
    )"""

# Each answers sentences, with %(exempt)s, %(operated)s, %(known)s and %(bare)s bound by name.
RULES = (
    # Policies.
    f"""WITH {_TENANT}
        SELECT format('%%s: row-level security is off.', relname) FROM tenant WHERE NOT relrowsecurity
         UNION ALL
        SELECT format('%%s: row-level security is not forced.', relname) FROM tenant WHERE NOT relforcerowsecurity
         UNION ALL
        SELECT format('%%s: user_id must be a uuid and NOT NULL.', relname) FROM tenant
         WHERE atttypid <> 'uuid'::regtype OR NOT attnotnull""",
    f"""WITH {_TENANT},
        wanted (relname, oid, polname, cmd, role, qual, chk) AS (
            SELECT relname, oid, 'tenant', '*', 'wl_app', %(bare)s::text, %(bare)s::text FROM tenant
             UNION ALL
            SELECT relname, oid, 'operator', '*', 'wl_operator', 'true', NULL FROM tenant
             WHERE relname = ANY (%(operated)s)
             UNION ALL
            SELECT relname, t.oid, 'owner', '*', rolname, 'true', NULL FROM tenant t
              JOIN pg_roles r ON r.oid = t.relowner AND NOT r.rolbypassrls AND NOT r.rolsuper
             UNION ALL
            SELECT relname, t.oid, 'backup', 'r', rolname, 'true', NULL FROM tenant t
              JOIN pg_roles r ON r.rolname = 'wl_backup' AND NOT r.rolbypassrls AND NOT r.rolsuper
        ),
        found AS (
            SELECT relname, t.oid, polname::text, polcmd::text AS cmd,
                   (SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE pg_get_userbyid(role) END, ',')
                      FROM unnest(polroles) AS role) AS role,
                   pg_get_expr(polqual, polrelid) AS qual,
                   pg_get_expr(polwithcheck, polrelid) AS chk, polpermissive
              FROM pg_policy p JOIN tenant t ON t.oid = p.polrelid
        )
        SELECT format('%%s: the policy %%s is missing or is not IsolateTenant''s.', w.relname, w.polname)
          FROM wanted w
          LEFT JOIN found f ON f.oid = w.oid AND f.polname = w.polname AND f.cmd = w.cmd AND f.role = w.role
                           AND f.qual = w.qual AND f.chk IS NOT DISTINCT FROM w.chk AND f.polpermissive
         WHERE f.oid IS NULL
         UNION ALL
        SELECT format('%%s: the policy %%s should not be there.', f.relname, f.polname)
          FROM found f LEFT JOIN wanted w USING (oid, polname)
         WHERE w.oid IS NULL""",
    # Keys.
    f"""WITH {_TENANT},
        keys AS (
            SELECT t.relname, k.conname, k.condeferrable, k.conkey, k.confkey, k.confdeltype, k.confdelsetcols,
                   t.user_id, k.confrelid, parent.user_id AS parent_user_id,
                   k.confrelid = %(users)s::regclass AS to_users
              FROM pg_constraint k
              JOIN tenant t ON t.oid = k.conrelid
              LEFT JOIN tenant parent ON parent.oid = k.confrelid
             WHERE k.contype = 'f'
        )
        SELECT format('%%s: the foreign key %%s is deferrable, so it would fail at COMMIT.', relname, conname)
          FROM keys WHERE condeferrable
         UNION ALL
        SELECT format('%%s: the foreign key %%s would accept another person''s parent.', relname, conname)
          FROM keys
         WHERE parent_user_id IS NOT NULL AND (conkey[1] <> user_id OR confkey[1] <> parent_user_id)
         UNION ALL
        SELECT format('%%s: the foreign key %%s would clear user_id.', relname, conname)
          FROM keys
         WHERE confdeltype IN ('n', 'd') AND user_id = ANY (coalesce(confdelsetcols, conkey))
         UNION ALL
        SELECT format('%%s: user_id has no foreign key to the users, ON DELETE CASCADE.', relname) FROM tenant t
         WHERE NOT EXISTS (SELECT FROM keys k WHERE k.relname = t.relname AND confdeltype = 'c'
                              AND (to_users AND k.conkey = ARRAY[t.user_id]
                                   -- Or through a parent that every row has.
                                   OR k.conkey[1] = t.user_id AND k.confkey[1] = k.parent_user_id
                                      AND NOT EXISTS (SELECT FROM pg_attribute a
                                                       WHERE a.attrelid = t.oid AND a.attnum = ANY (k.conkey)
                                                         AND NOT a.attnotnull)))
         UNION ALL
        SELECT format('%%s: refers to %%s, whose rows belong to people, but has no user_id.', c.relname, t.relname)
          FROM pg_constraint k JOIN tenant t ON t.oid = k.confrelid JOIN pg_class c ON c.oid = k.conrelid
         WHERE k.contype = 'f' AND k.conrelid NOT IN (SELECT oid FROM tenant)""",
    # Indexes.
    f"""WITH {_TENANT},
        indexes AS (
            SELECT t.relname, i.relname AS name, x.indisunique, x.indisexclusion, x.indisprimary, am.amname,
                   t.user_id = x.indkey[0] AS leads,
                   t.user_id = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1]) AS has_it,
                   x.indnkeyatts = 1 AND (SELECT a.attname = 'id' AND a.atttypid = 'uuid'::regtype
                      FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = x.indkey[0]) AS on_id,
                   x.indpred IS NULL AND x.indisvalid AS whole
              FROM pg_index x JOIN tenant t ON t.oid = x.indrelid
              JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am am ON am.oid = i.relam
        )
        SELECT format('%%s: the unique index %%s lacks user_id, so it tells whether something exists.', relname, name)
          FROM indexes WHERE (indisunique OR indisexclusion) AND NOT has_it AND NOT (indisprimary AND on_id)
         UNION ALL
        SELECT format('%%s: the index %%s does not lead with user_id.', relname, name)
          FROM indexes WHERE NOT indisunique AND NOT indisexclusion AND NOT leads AND amname = 'btree'
         UNION ALL
        SELECT format('%%s: no whole index leads with user_id.', t.relname) FROM tenant t
         WHERE NOT EXISTS (SELECT FROM indexes i WHERE i.relname = t.relname AND i.leads AND i.whole)""",
    # What passes the policies by.
    """SELECT format('%%s: runs as its owner and is not on the list of such functions.', p.oid::regprocedure)
          FROM pg_proc p
         WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace AND NOT p.proname = ANY (%(known)s)
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
         UNION ALL
        SELECT format('%%s: runs as its owner without a search_path of its own.', p.oid::regprocedure)
          FROM pg_proc p
         WHERE p.prosecdef AND p.proname = ANY (%(known)s)
           AND NOT coalesce('search_path=public, pg_temp' = ANY (p.proconfig), false)
         UNION ALL
        SELECT format('%%s: runs as its owner and anyone may call it.', p.oid::regprocedure)
          FROM pg_proc p
         WHERE p.prosecdef AND p.proname = ANY (%(known)s)
           AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) WHERE grantee = 0)""",
    """SELECT format('%%s: a view reads as its owner unless it is made WITH (security_invoker).', c.relname)
          FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace
           AND (c.relkind = 'm' OR c.relkind = 'v' AND NOT coalesce(c.reloptions @> '{security_invoker=true}', false))
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')""",
    # The list of exemptions says only what is so.
    f"""SELECT format('%%s: exempt from policies, but no such table is there.', name)
          FROM unnest(%(exempt)s::text[]) AS name
         WHERE NOT EXISTS (SELECT FROM pg_class c WHERE {_OURS} AND c.relname = name)""",
)

COMPOSITE_KEYS = """
    SELECT child.relname::text, mine.names, parent.relname::text, theirs.names
      FROM pg_constraint k
      JOIN pg_class child ON child.oid = k.conrelid
      JOIN pg_class parent ON parent.oid = k.confrelid,
           LATERAL (SELECT string_agg(attname, ',' ORDER BY place)
                      FROM unnest(k.conkey) WITH ORDINALITY AS c (attnum, place)
                      JOIN pg_attribute a USING (attnum) WHERE a.attrelid = k.conrelid) AS mine (names),
           LATERAL (SELECT string_agg(attname, ',' ORDER BY place)
                      FROM unnest(k.confkey) WITH ORDINALITY AS c (attnum, place)
                      JOIN pg_attribute a USING (attnum) WHERE a.attrelid = k.confrelid) AS theirs (names)
     WHERE k.contype = 'f' AND k.convalidated
"""


def faults(connection: BaseDatabaseWrapper) -> list[str]:
    """Every way in which this database falls short of the rules, one sentence each; best asked as the owner."""
    params: dict[str, str | list[str]] = {
        "exempt": sorted(EXEMPT),
        "operated": sorted(model._meta.db_table for model in tenant_models() if model.operator_columns),
        "known": sorted(DEFINER_FUNCTIONS),
        "bare": BARE_FORM,
        "users": get_user_model()._meta.db_table,
    }
    found = list(_model_faults())
    with connection.cursor() as cursor:
        for rule in RULES:
            cursor.execute(rule, params)
            found += [sentence for (sentence,) in cursor.fetchall()]
        found += _missing_keys(cursor)
    return found + privilege_faults(connection)


def tenant_models() -> list[type[TenantModel]]:
    """Every model whose rows belong to people."""
    return [model for model in apps.get_models() if issubclass(model, TenantModel)]


def _model_faults() -> Iterator[str]:
    """What only the models know: relations that have no constraint in the database."""
    people = {get_user_model(), *tenant_models()}
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.local_fields:
            if not isinstance(field, ForeignKey) or field.remote_field.model not in people:
                continue
            if not issubclass(model, TenantModel) and model._meta.db_table not in EXEMPT:
                yield f"{model._meta.db_table}: {field.name} leads to a person, but the model is no TenantModel."


def _missing_keys(cursor: CursorWrapper) -> Iterator[str]:
    """Every relation between tenant tables must be a composite key; the models know the relations."""
    cursor.execute(COMPOSITE_KEYS)
    composite = set(cursor.fetchall())
    for model in tenant_models():
        table = model._meta.db_table
        for column, parent in parents_of(model).items():
            if (table, f"user_id,{column}", parent._meta.db_table, "user_id,id") not in composite:
                yield f"{table}: {column} has no key (user_id, {column}) to {parent._meta.db_table} (user_id, id)."


def parents_of(model: type[Model]) -> dict[str, type[TenantModel]]:
    """The foreign keys of a model that lead to other tenant tables: column → model."""
    return {
        field.column: field.remote_field.model
        for field in model._meta.local_fields
        if isinstance(field, ForeignKey) and issubclass(field.remote_field.model, TenantModel)
    }
