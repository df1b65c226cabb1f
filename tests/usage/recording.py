"""Records from several threads until a line comes in, whatever becomes of the database; run by test_usage_interrupt.py.

Each record is sent again under its own idempotency key until it is acknowledged. Writes what happened as JSON.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import django

THREADS = 6
SECONDS = 1  # of a reservation


def main() -> None:
    from django.db import connections

    from accounts.models import User
    from accounts.people import create_person
    from usage import ledger, metering, quotas
    from usage.models import Period, UsageRecord
    from wavelength.tenancy import tenant

    user_id = create_person(User(email="alice@example.com", name="Alice"), way="signup").pk
    for period in Period:
        quotas.set_quota(user_id=user_id, period=period, request_limit=None, token_limit=None, cost_limit=None)
    ended = threading.Event()
    with ThreadPoolExecutor(THREADS) as pool:
        threads = [pool.submit(_keep_recording, user_id, number, ended) for number in range(THREADS)]
        sys.stdout.write("recording\n")
        sys.stdout.flush()
        sys.stdin.readline()
        ended.set()
        connections.close_all()  # ours saw nothing of the restarts yet
        results = [thread.result() for thread in threads]
    time.sleep(SECONDS)
    with tenant(user_id):
        in_ledger = sum(row.request_count for row in UsageRecord.objects.all())
    outcome = {
        "counted": sum(counted for counted, _ in results),
        "interrupted": sum(interrupted for _, interrupted in results),
        "ledger": in_ledger,
        "differences": ledger.check(user_id=user_id).differences,
        "expired": metering.expire(user_id=user_id),
        "reserved": [quota.reserved_requests for quota in quotas.quotas_of(user_id=user_id)],
    }
    sys.stdout.write(json.dumps(outcome))


def _keep_recording(user_id: UUID, number: int, ended: threading.Event) -> tuple[int, int]:
    from django.db import Error, connections

    from usage import metering

    counted = interrupted = 0
    while not ended.is_set():
        name = f"{number}-{counted}"
        try:
            if counted % 10 == 0:
                metering.reserve(user_id=user_id, provider="acme", model="one", tokens=1, seconds=SECONDS)
            metering.record_usage(user_id=user_id, provider="acme", model="one", input_tokens=3, idempotency_key=name)
        except Error:
            interrupted += 1
            connections.close_all()
            time.sleep(0.01)
        else:
            counted += 1
    connections.close_all()
    return counted, interrupted


if __name__ == "__main__":
    django.setup()
    main()
