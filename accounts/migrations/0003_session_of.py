"""`session_of`: a session and its person in one look, asked by every request.

In PL/pgSQL, which keeps its plan for the connection; it runs with its caller's rights. The person comes whole,
so a new column needs nothing here.
"""

from django.db import migrations

CREATE = """
    CREATE FUNCTION session_of(wanted text, OUT content text, OUT expires text, OUT person text)
    LANGUAGE plpgsql STABLE AS $$
    BEGIN
        SELECT s.session_data, to_json(s.expire_date) #>> '{}', row_to_json(u)::text
          INTO content, expires, person
          FROM accounts_session s
          LEFT JOIN accounts_user u ON u.id = s.user_id
         WHERE s.session_key = wanted AND s.expire_date > now();
    END $$;
    REVOKE ALL ON FUNCTION session_of(text) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION session_of(text) TO wl_app;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_due")]
    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION session_of(text)")]
