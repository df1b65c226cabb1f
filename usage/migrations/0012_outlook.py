"""`usage_outlook`: what would stand in a request's way now, without setting anything aside."""

from django.db import migrations

from wavelength.tenancy.operations import InvokerFunction

# As usage_reserve begins, so that both say the same. Opens windows and frees what was abandoned, for which it takes the
# person's lock; else it waits for nobody.
OUTLOOK = """
    RETURNS json LANGUAGE plpgsql AS $$
    BEGIN
        IF through_key IS NOT NULL THEN
            PERFORM usage_know_key(person, through_key);
        END IF;
        PERFORM usage_catch_up(person, at);
        RETURN usage_refusals(person, of_provider, of_model, tokens, cost, through_key, at);
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0010_anonymous")]

    operations = [
        InvokerFunction(
            "usage_outlook(person uuid, of_provider text, of_model text, tokens bigint, cost numeric,"
            " through_key uuid, at timestamptz)",
            OUTLOOK,
        )
    ]
