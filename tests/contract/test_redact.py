"""Credentials never leave a process."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.redact import RedactingFormatter, redact, remember_secret


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:hunter2@10.0.0.7/live", "rtsp://***@10.0.0.7/live"),
        ("rtsp://admin@10.0.0.7/live", "rtsp://***@10.0.0.7/live"),
        ("rtsp://a:b@c@10.0.0.7/live", "rtsp://***@10.0.0.7/live"),
        ("open 'rtsp://a:b@h/1' and http://c:d@h/2", "open 'rtsp://***@h/1' and http://***@h/2"),
        ("rtsp://10.0.0.7/live", "rtsp://10.0.0.7/live"),
        ("mail me@example.org", "mail me@example.org"),
        ("postgresql+psycopg://u:p@db/x", "postgresql+psycopg://***@db/x"),
    ],
)
def test_urls(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=10),
    st.text(st.characters(categories=["L", "N", "P", "S"]).filter(lambda c: c not in "/@'\"")),
)
def test_no_user_or_password_stays(user: str, password: str) -> None:
    assert redact(f"open rtsp://{user}:{password}@cam/1") == "open rtsp://***@cam/1"


def test_remembered_secrets() -> None:
    remember_secret("opensesame")
    remember_secret("ab")
    assert redact("password is opensesame, abacus") == "password is ***, abacus"


def test_a_log_line_and_its_traceback_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("test")
    try:
        raise OSError("cannot open rtsp://admin:hunter2@cam/1")
    except OSError:
        log.exception("camera %s", "http://root:toor@cam/2")
    text = RedactingFormatter("%(message)s").format(caplog.records[0])
    assert "OSError" in text
    assert "http://***@cam/2" in text
    for secret in ("admin", "hunter2", "root", "toor"):
        assert secret not in text
