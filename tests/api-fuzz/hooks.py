"""Logs in for schemathesis, and again whenever a call has ended the session."""

import os

import requests
import schemathesis

URL = os.environ["SERVICE_URL"]
session = None


def log_in():
    global session
    new = requests.Session()
    answer = new.post(URL + "/login", json={"username": "admin", "password": "correct horse"})
    answer.raise_for_status()
    # The one that the document names: a call from which it is taken away must fail.
    cookies = {"avi-sessionid": new.cookies["avi-sessionid"]}
    session = {"cookies": cookies, "csrf": new.cookies["csrftoken"]}


def is_over():
    answer = requests.get(URL + "/api/useraccount", cookies=session["cookies"])
    return answer.status_code == 401


@schemathesis.auth(refresh_interval=None)
class Session:
    def get(self, case, context):
        if session is None:
            log_in()
        return session

    def set(self, case, data, context):
        case.cookies = {**(case.cookies or {}), **data["cookies"]}
        case.headers = {**(case.headers or {}), "X-CSRFToken": data["csrf"], "Referer": URL + "/"}


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code == 401 and session is not None and is_over():
        log_in()
