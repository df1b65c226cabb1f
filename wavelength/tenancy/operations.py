"""Migration operations that carry row-level security, each with its reverse."""

from collections.abc import Mapping
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Model

TENANT_POLICY = "tenant"
OPERATOR_POLICY = "operator"
OWNER_POLICY = "owner"
# In this bare form: a cast of the column or a sub-select around the setting costs the index
# or the planner's estimate (DESIGN.md §5).
IS_TENANT = "user_id = nullif(current_setting('app.user_id', true), '')::uuid"


class IsolateTenant(Operation):
    """Keep a table's rows apart by ``user_id``: policies, and keys that cannot cross people.

    ``parents`` maps a foreign key's field name to the model it points to in the same app, or to
    ``"app.Model"``; each becomes ``(user_id, field_id) → parent (user_id, id)``, NOT DEFERRABLE, so
    that a row cannot hang on another person's parent and a violation shows at its statement. A row that
    must have a parent belongs to a person through it; any other table has a key to the person of its own
    (looking both up took a quarter of the time of storing a message).
    ``operator`` says whether the admin's role reads the table (its columns are granted apart).
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, model: str, *, parents: Mapping[str, str] | None = None, operator: bool = False) -> None:
        self.model = model
        self.parents = dict(parents or {})
        self.operator = operator

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        options: dict[str, Any] = {}
        if self.parents:
            options["parents"] = self.parents
        if self.operator:
            options["operator"] = True
        return type(self).__name__, [self.model], options

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        pass

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model)
        table = schema_editor.quote_name(model._meta.db_table)
        # One ALTER TABLE or policy a statement; FORCE binds the owner too.
        schema_editor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        schema_editor.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        schema_editor.execute(
            f"CREATE POLICY {TENANT_POLICY} ON {table} TO wl_app USING ({IS_TENANT}) WITH CHECK ({IS_TENANT})"
        )
        schema_editor.execute(_owner_policy(table), params=None)
        if self.operator:
            schema_editor.execute(f"CREATE POLICY {OPERATOR_POLICY} ON {table} TO wl_operator USING (true)")
        if not self._through_parent(model):
            users = to_state.apps.get_model("accounts", "User")._meta.db_table
            schema_editor.execute(
                f"ALTER TABLE {table} ADD CONSTRAINT {self._key(model, 'user')}"
                f" FOREIGN KEY (user_id) REFERENCES {schema_editor.quote_name(users)} (id)"
                " ON DELETE CASCADE NOT DEFERRABLE"
            )
        for field_name, target in self.parents.items():
            parent = to_state.apps.get_model(*(target.split(".") if "." in target else (app_label, target)))
            column = schema_editor.quote_name(model._meta.get_field(field_name).column)
            schema_editor.execute(
                f"ALTER TABLE {table} ADD CONSTRAINT {self._key(model, field_name)}"
                f" FOREIGN KEY (user_id, {column})"
                f" REFERENCES {schema_editor.quote_name(parent._meta.db_table)} (user_id, id)"
                " ON DELETE CASCADE NOT DEFERRABLE"
            )

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model)
        table = schema_editor.quote_name(model._meta.db_table)
        for name in self.parents if self._through_parent(model) else ["user", *self.parents]:
            schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {self._key(model, name)}")
        for policy in (OPERATOR_POLICY, OWNER_POLICY, TENANT_POLICY):
            schema_editor.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
        schema_editor.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        schema_editor.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")

    def describe(self) -> str:
        return f"Keep the rows of {self.model} apart by person"

    @property
    def migration_name_fragment(self) -> str:
        return f"isolate_{self.model.lower()}"

    def _through_parent(self, model: type[Model]) -> bool:
        return any(not model._meta.get_field(name).null for name in self.parents)

    def _key(self, model: type[Model], field_name: str) -> str:
        return f"{model._meta.db_table}_{field_name}_tenant_fk"


class InvokerFunction(Operation):
    """A function of ours that runs with its caller's rights, under the policies.

    ``signature`` is ``name(argument type, …)``; ``body`` is everything from RETURNS on, without
    the security clause. Only ``roles`` may call it. ``before`` is the body that an earlier migration gave it.
    """

    reversible = True
    reduces_to_sql = True
    security = "SECURITY INVOKER"

    def __init__(self, signature: str, body: str, *, roles: tuple[str, ...] = ("wl_app",), before: str = "") -> None:
        self.signature = signature
        self.body = body
        self.roles = roles
        self.before = before

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        options: dict[str, Any] = {"roles": self.roles}
        if self.before:
            options["before"] = self.before
        return type(self).__name__, [self.signature, self.body], options

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        pass

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._create(schema_editor, self.body)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if self.before:
            self._create(schema_editor, self.before)
        else:
            self._drop(schema_editor)

    def describe(self) -> str:
        return f"Create the function {self.signature}"

    @property
    def migration_name_fragment(self) -> str:
        return self.signature.split("(", maxsplit=1)[0]

    def _create(self, schema_editor: BaseDatabaseSchemaEditor, body: str) -> None:
        schema_editor.execute(f"CREATE OR REPLACE FUNCTION {self.signature} {body} {self.security}", params=None)
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {self.signature} FROM PUBLIC")
        for role in self.roles:
            schema_editor.execute(f"GRANT EXECUTE ON FUNCTION {self.signature} TO {role}")

    def _drop(self, schema_editor: BaseDatabaseSchemaEditor) -> None:
        schema_editor.execute(f"DROP FUNCTION {self.signature}")


class RemovedFunction(InvokerFunction):
    """The end of an InvokerFunction; going back, it is there again."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._drop(schema_editor)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._create(schema_editor, self.body)

    def describe(self) -> str:
        return f"Drop the function {self.signature}"

    @property
    def migration_name_fragment(self) -> str:
        return f"remove_{super().migration_name_fragment}"


class DefinerFunction(InvokerFunction):
    """A SECURITY DEFINER function: the few, narrow doors through the policies.

    Runs as the owner with a fixed search path. The catalog lint knows every such function by name
    (wavelength.tenancy.lint).
    """

    security = "SECURITY DEFINER SET search_path = public, pg_temp"


def changed(body: str, old: str, new: str) -> str:
    """The body that an earlier migration gave a function, with one part of it replaced. Raises ValueError unless it
    stands there once."""
    if body.count(old) != 1:
        raise ValueError(f"This stands {body.count(old)} times in the function's body: {old}")
    return body.replace(old, new)


def _owner_policy(table: str) -> str:
    """A policy for an owner that could not be given BYPASSRLS; none where it could.

    PostgreSQL 15 lets only a superuser grant BYPASSRLS. Without it, and without this policy, the
    forced policies would hide every row from data migrations and definer functions alike.
    """
    return f"""
        DO $$ BEGIN
            IF NOT (SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                EXECUTE format('CREATE POLICY {OWNER_POLICY} ON {table} TO %I USING (true)', current_user);
            END IF;
        END $$
    """
