"""Quotas kept up to date for who is not asking: they also are with each person's next request."""

from procrastinate.contrib.django import app

from accounts.due import for_each_due
from accounts.mails import write_to_all
from accounts.models import Mail
from usage import metering, quotas
from usage.quota_mails import news_of_quotas
from wavelength.jobs import PATIENTLY


@app.periodic(cron="* * * * *")
@app.task(retry=PATIENTLY, queueing_lock="expire-reservations")
def expire_reservations(timestamp: int) -> None:
    """Free, each minute, what was reserved and not heard of in time."""
    for_each_due("reservations", lambda user_id: metering.expire(user_id=user_id))


@app.periodic(cron="*/15 * * * *")
@app.task(retry=PATIENTLY, queueing_lock="open-windows")
def open_windows(timestamp: int) -> None:
    """Begin the quotas' new days and months; at every quarter, because that is when midnights are."""
    for_each_due("windows", lambda user_id: quotas.catch_up(user_id=user_id))


@app.periodic(cron="*/5 * * * *")
@app.task(retry=PATIENTLY, queueing_lock="mail-quotas")
def mail_quotas(timestamp: int) -> None:
    """Write to people whose limits come to be used up: of the last hours' usage, and once an hour of all there is."""
    detail = "" if timestamp % 3600 == 0 else "recent"
    write_to_all(Mail.QUOTA, news_of_quotas, due="quota_mails", detail=detail)
