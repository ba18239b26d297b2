"""Each request of the fuzzer comes from an address of its own, so that no limit of requests hides an answer. The answers are
kept for the search for secrets."""
import random

import schemathesis

import trail


@schemathesis.hook
def before_call(context, case, kwargs):
    address = ".".join(str(random.randrange(1, 255)) for _ in range(3))
    case.headers = {**(case.headers or {}), "X-Forwarded-For": f"10.{address}"}


@schemathesis.hook
def after_call(context, case, response):
    headers = [(name, value) for name, values in response.headers.items() for value in values]
    trail.answered(case.method, case.path, response.status_code, headers, response.content or b"")
