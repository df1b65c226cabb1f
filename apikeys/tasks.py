"""Work on keys that waits for nobody."""

from uuid import UUID

from procrastinate.contrib.django import app

from accounts.due import for_each_due, people_due
from accounts.mails import write_to_all
from accounts.models import Mail
from apikeys import validation, watching
from apikeys.key_mails import news_of_keys
from wavelength.jobs import PATIENTLY


@app.periodic(cron="17 4 * * *")
@app.task(retry=PATIENTLY, queueing_lock="validate-keys")
def validate_due_keys(timestamp: int) -> None:
    """Each day, have every active key asked about that was not for most of a day; a job a person."""
    for user_id in people_due("validation"):
        validate_keys_of.defer(user_id=str(user_id))


# Behind what somebody waits for: of these there may be one for everybody.
@app.task(retry=PATIENTLY, priority=-10)
def validate_keys_of(user_id: str) -> None:
    """Ask about one person's active keys, and look whether any stands in what they wrote outside chats."""
    validation.validate_all(user_id=UUID(user_id))
    watching.look_through(user_id=UUID(user_id))


@app.task(retry=PATIENTLY)
def look_through_of(user_id: str) -> None:
    """Look whether a key that was just stored stands in any text of the person's."""
    watching.look_through(user_id=UUID(user_id), everything=True)


@app.periodic(cron="47 * * * *")
@app.task(retry=PATIENTLY, queueing_lock="check-key-rates")
def check_key_rates(timestamp: int) -> None:
    """Each hour, look whether a key that is used much today is used at many times its usual rate."""
    for_each_due("key_rates", lambda user_id: watching.check_rates(user_id=user_id))


@app.periodic(cron="*/10 * * * *")
@app.task(retry=PATIENTLY, queueing_lock="mail-keys")
def mail_keys(timestamp: int) -> None:
    """Write to people whose keys stopped working."""
    write_to_all(Mail.KEY, news_of_keys, due="key_mails")
