"""The part of the catalog lint that asks what each role is and may do."""

from collections.abc import Iterator

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper

from wavelength.tenancy.roles import owned, wanted_grants

# (table, role, privilege, column or "" for the whole table)
Right = tuple[str, str, str, str]

ROLE_RULES = (
    """SELECT format('The role %%s does not exist.', name)
          FROM unnest(ARRAY['wl_owner', 'wl_app', 'wl_operator', 'wl_backup']) AS name
         WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)""",
    """SELECT format('The role %%s is %%s.', rolname, attribute)
          FROM pg_roles,
               unnest(ARRAY['a superuser', 'allowed to pass row-level security by', 'allowed to create roles',
                            'allowed to create databases', 'allowed to replicate'],
                      ARRAY[rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication]) AS a (attribute, holds)
         WHERE holds
           AND CASE rolname
                   WHEN 'wl_owner' THEN attribute IN ('a superuser', 'allowed to create roles')
                   WHEN 'wl_backup' THEN attribute <> 'allowed to pass row-level security by'
                   ELSE rolname IN ('wl_app', 'wl_operator') END""",
    """SELECT format('The role %%s is a member of %%s.', m.rolname, g.rolname)
          FROM pg_auth_members JOIN pg_roles m ON m.oid = member JOIN pg_roles g ON g.oid = roleid
         WHERE m.rolname IN ('wl_app', 'wl_operator', 'wl_backup')""",
    """SELECT format('The role %%s owns %%s.', r.rolname, o.what)
          FROM pg_roles r
          JOIN (SELECT relowner AS owner, 'the relation ' || relname AS what FROM pg_class WHERE relpersistence <> 't'
                 UNION ALL SELECT proowner, 'the function ' || proname FROM pg_proc
                 UNION ALL SELECT nspowner, 'the schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_t'
                 UNION ALL SELECT datdba, 'the database ' || datname FROM pg_database) o ON o.owner = r.oid
         WHERE r.rolname IN ('wl_app', 'wl_operator', 'wl_backup')""",
    """SELECT format('The role %%s may create objects in this database.', rolname)
          FROM pg_roles
         WHERE rolname IN ('wl_app', 'wl_operator', 'wl_backup')
           AND (has_schema_privilege(rolname, 'public', 'CREATE')
                OR has_database_privilege(rolname, current_database(), 'CREATE'))""",
    """SELECT format('Default privileges give %%s rights on what %%s will create.',
                      CASE grantee WHEN 0 THEN 'everyone' ELSE pg_get_userbyid(grantee) END,
                      pg_get_userbyid(defaclrole))
          FROM pg_default_acl d, aclexplode(d.defaclacl)
         WHERE grantee <> d.defaclrole AND pg_get_userbyid(defaclrole) = 'wl_owner'""",
    """SELECT format('%%s belongs to %%s: whoever migrates must act as wl_owner.', relname, pg_get_userbyid(relowner))
          FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relname = ANY (%(tables)s)
           AND pg_get_userbyid(relowner) <> 'wl_owner'""",
)
RIGHTS = """
    SELECT c.relname::text, CASE x.grantee WHEN 0 THEN 'everyone' ELSE pg_get_userbyid(x.grantee)::text END,
           x.privilege_type, ''
      FROM pg_class c, aclexplode(c.relacl) x
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(tables)s) AND x.grantee <> c.relowner
     UNION ALL
    SELECT c.relname::text, CASE x.grantee WHEN 0 THEN 'everyone' ELSE pg_get_userbyid(x.grantee)::text END,
           x.privilege_type, a.attname::text
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped, aclexplode(a.attacl) x
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(tables)s) AND x.grantee <> c.relowner
"""


def privilege_faults(connection: BaseDatabaseWrapper) -> list[str]:
    """How roles and grants differ from what roles.py and the models say, one sentence each."""
    with connection.cursor() as cursor:
        tables = sorted(
            {*owned(cursor, "r", "p"), *_model_tables()} & set(connection.introspection.table_names(cursor))
        )
        found = []
        for rule in ROLE_RULES:
            cursor.execute(rule, {"tables": tables})
            found += [sentence for (sentence,) in cursor.fetchall()]
        cursor.execute(RIGHTS, {"tables": tables})
        held: set[Right] = set(cursor.fetchall())
    wanted = set(_wanted_rights(tables))
    found += [f"{_told(right)}, which nothing here grants." for right in sorted(held - wanted)]
    found += [f"{_told(right, 'may not')}: run `manage.py migrate`." for right in sorted(wanted - held)]
    return found


def _model_tables() -> set[str]:
    return {model._meta.db_table for model in apps.get_models(include_auto_created=True)}


def _wanted_rights(tables: list[str]) -> Iterator[Right]:
    for grant in wanted_grants(tables):
        for column in grant.columns or ("",):
            yield grant.table, grant.role, grant.privilege, column
    for table in tables:
        yield table, "wl_backup", "SELECT", ""


def _told(right: Right, may: str = "may") -> str:
    table, role, privilege, column = right
    return f"{role} {may} {privilege} {table}{f'.{column}' if column else ''}"
