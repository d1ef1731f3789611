"""Log lines as Cloud Logging wants them, and without anything private."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from google.api_core import client_logging
from hypothesis import given
from hypothesis import strategies as st

from common import log
from common.errors import InputError, TransientError
from common.redaction import REDACTED, clean, scrub

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Where the log of a configured process goes; the former set-up comes back afterwards."""
    root, own, google = map(logging.getLogger, ("", "heimdex", "google"))
    before = (list(root.handlers), root.level, own.level, google.level, google.propagate)
    monkeypatch.setenv("HEIMDEX_PROJECT", "heimdex-test")
    monkeypatch.delenv("HEIMDEX_LOG", raising=False)
    stream = io.StringIO()
    log.configure("api", stream=stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    own.setLevel(before[2])
    google.setLevel(before[3])
    google.propagate = before[4]


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    """All lines as objects."""
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def only(lines: io.StringIO) -> dict[str, Any]:
    """The one line there is."""
    [line] = read(lines)
    return line


def test_event_is_one_json_line(lines: io.StringIO) -> None:
    """Severity, time, message, action, service and the fields, typed."""
    log.event("run.claimed", run_id=UUID(int=1), attempt=2, duration_ms=1.5, path=Path("/a/b"))
    line = only(lines)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "severity": "INFO",
        "message": "run.claimed",
        "action": "run.claimed",
        "service": "api",
        "run_id": str(UUID(int=1)),
        "attempt": 2,
        "duration_ms": 1.5,
        "path": "/a/b",
    }


@pytest.mark.parametrize("severity", ["INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"])
def test_severities_are_cloud_loggings(lines: io.StringIO, severity: log.Severity) -> None:
    """The severity is written as given."""
    log.event("x.happened", severity=severity)
    assert only(lines)["severity"] == severity


def test_debug_needs_its_level(lines: io.StringIO) -> None:
    """DEBUG is dropped at INFO and kept at DEBUG."""
    log.event("x.happened", severity="DEBUG")
    assert lines.getvalue() == ""
    log.configure("api", level="DEBUG", stream=lines)
    log.event("x.happened", severity="DEBUG")
    assert only(lines)["severity"] == "DEBUG"


def test_trace_links_to_the_project(lines: io.StringIO) -> None:
    """A bound traceparent becomes Cloud Logging's trace, span and sampling fields."""
    with log.bound(traceparent=TRACEPARENT):
        log.event("x.happened")
    line = only(lines)
    assert line["logging.googleapis.com/trace"] == f"projects/heimdex-test/traces/{TRACE}"
    assert line["logging.googleapis.com/spanId"] == "00f067aa0ba902b7"
    assert line["logging.googleapis.com/trace_sampled"] is True
    assert "traceparent" not in line


@pytest.mark.parametrize("traceparent", ["", "nonsense", TRACEPARENT + "\n", None, 5])
def test_bad_trace_is_left_out(lines: io.StringIO, traceparent: object) -> None:
    """A traceparent from outside that is none adds nothing and breaks nothing."""
    log.event("x.happened", traceparent=traceparent)
    assert not [name for name in only(lines) if "trace" in name]


def test_bound_fields_nest_and_end(lines: io.StringIO) -> None:
    """Inner fields win inside, and leave with their block, also by an exception."""

    def fail() -> None:
        with log.bound(stage="b"):
            log.event("x.happened")
            raise InputError("not_video")

    with log.bound(video_id="v", stage="a"):
        with pytest.raises(InputError):
            fail()
        log.event("x.happened")
    log.event("x.happened")
    seen = [(line.get("video_id"), line.get("stage")) for line in read(lines)]
    assert seen == [("v", "b"), ("v", "a"), (None, None)]


def test_bound_fields_stay_in_their_thread(lines: io.StringIO) -> None:
    """Two threads do not see each other's fields."""
    with log.bound(video_id="mine"):
        other = threading.Thread(target=log.event, args=("x.happened",))
        other.start()
        other.join()
    assert "video_id" not in only(lines)


def test_fields_cannot_pose_as_the_frame(lines: io.StringIO) -> None:
    """A field named like a fixed one does not replace it."""
    log.event("x.happened", message="other", time="never", service="other", action="other")
    line = only(lines)
    assert (line["message"], line["action"], line["service"]) == ("x.happened", "x.happened", "api")


@pytest.mark.parametrize(
    "name",
    [
        "transcript",
        "text",
        "texts",
        "vector",
        "text_vectors",
        "name",
        "display_name",
        "user_email",
        "token",
        "page_token",
        "url",
        "signed_urls",
        "signature",
        "Authorization",
        "query",
        "q",
        "title",
        "idempotency_key",
    ],
)
@pytest.mark.parametrize("value", ["secret", ["secret"], {"a": "secret"}, b"secret"])
def test_private_fields_are_blanked(lines: io.StringIO, name: str, value: object) -> None:
    """A field whose name says it is private keeps its name and loses its value."""
    with log.bound(**{name: value}):
        log.event("x.happened")
    assert only(lines)[name] == REDACTED
    assert "secret" not in lines.getvalue()


def test_private_fields_are_blanked_at_any_depth(lines: io.StringIO) -> None:
    """Mappings are looked through; what is not private in them stays."""
    log.event("x.happened", detail={"scene": {"transcript": "secret", "start_ms": 5}})
    assert only(lines)["detail"] == {"scene": {"transcript": REDACTED, "start_ms": 5}}


def test_counts_pass(lines: io.StringIO) -> None:
    """Numbers under such names are counts, and useful."""
    log.event("x.happened", fencing_token=7, text_ms=12.5, vectors=300)
    line = only(lines)
    assert (line["fencing_token"], line["text_ms"], line["vectors"]) == (7, 12.5, 300)


def test_vectors_are_blanked_under_any_name(lines: io.StringIO) -> None:
    """An array is named by its type, a long run of numbers is blanked, a short one is kept."""
    log.event("x.happened", a=np.ones(1024), b=[0.5] * 17, c=(1, 2, 3), d=b"12345")
    line = only(lines)
    assert (line["a"], line["b"], line["c"], line["d"]) == (
        "[ndarray]",
        REDACTED,
        [1, 2, 3],
        "[bytes]",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"sent {JWT} to it", f"sent {REDACTED} to it"),
        ("Authorization: Bearer abc.def-1", f"Authorization: {REDACTED}"),
        ("for minji.kim@example.co.kr", f"for {REDACTED}"),
        (
            "GET https://storage.googleapis.com/b/o?X-Goog-Signature=ab&x=1 failed",
            f"GET https://storage.googleapis.com/b/o?{REDACTED} failed",
        ),
        ("PUT /b/o?upload_id=ABC-1", f"PUT /b/o?{REDACTED}"),
        ("nothing to hide: a/b@2 x=1", "nothing to hide: a/b@2 x=1"),
    ],
)
def test_secrets_are_found_by_their_shape(text: str, expected: str) -> None:
    """Tokens, addresses and signed URLs are cut out of any text."""
    assert scrub(text) == expected


def test_exception_has_a_stack_but_no_text_or_locals(lines: io.StringIO) -> None:
    """A library's exception is logged by type and place; it may quote what a person said."""

    def fail() -> None:
        secret = "the transcript"  # noqa: F841
        raise ValueError("cannot parse: the transcript")

    try:
        fail()
    except ValueError as error:
        log.event("stage.failed", severity="ERROR", error=error)
    line = only(lines)
    assert line["error"] == "ValueError"
    assert line["stack_trace"].startswith("Traceback (most recent call last):\n")
    assert line["stack_trace"].endswith("ValueError\n")
    assert ", in fail\n" in line["stack_trace"]
    assert "cannot parse: the transcript\n" not in line["stack_trace"]


def test_our_exception_keeps_code_detail_and_causes(lines: io.StringIO) -> None:
    """Our errors say what happened; the chain of causes is shown, first cause first."""
    try:
        try:
            raise OSError("quotes a secret")
        except OSError as error:
            raise TransientError(detail="publish to heimdex-gpu") from error
    except TransientError as error:
        log.event("x.failed", severity="ERROR", error=error)
    line = only(lines)
    assert (line["code"], line["retryable"]) == ("dependency_unavailable", True)
    assert line["detail"] == "publish to heimdex-gpu"
    stack = line["stack_trace"]
    assert stack.index("OSError\n") < stack.index("TransientError: dependency_unavailable")


def test_error_may_be_a_word(lines: io.StringIO) -> None:
    """`error` that is no exception is a field like any other."""
    log.event("x.failed", error="KeyError")
    assert only(lines)["error"] == "KeyError"


def test_libraries_are_heard_from_warning_on(lines: io.StringIO) -> None:
    """Other loggers' warnings come in the same form, scrubbed; their chatter does not."""
    other = logging.getLogger("google.somewhere")
    other.info("chatter")
    other.warning("retrying for %s", "kim@example.com")
    line = only(lines)
    assert line["message"] == f"retrying for {REDACTED}"
    assert (line["severity"], line["logger"]) == ("WARNING", "google.somewhere")


def test_googles_clients_are_heard(lines: io.StringIO) -> None:
    """google.api_core cuts its loggers off from the root; configured first or last, ours hears."""
    client_logging.setup_logging()
    logging.getLogger("google.api_core").warning("late")
    logging.getLogger("google").propagate = False
    log.configure("api", stream=lines)
    logging.getLogger("google.api_core").warning("early")
    assert [line["message"] for line in read(lines)] == ["late", "early"]


def test_library_exception_comes_in_parts(lines: io.StringIO) -> None:
    """`logger.exception` of a library is one line, without the exception's text."""
    try:
        raise KeyError("secret")
    except KeyError:
        logging.getLogger("flask.app").exception("Exception on /v1/search")
    line = only(lines)
    assert (line["error"], line["message"]) == ("KeyError", "Exception on /v1/search")
    assert "KeyError: 'secret'" not in line["stack_trace"]


def test_access_lines_are_silenced(lines: io.StringIO) -> None:
    """Werkzeug's access lines, which hold search queries, never appear."""
    logging.getLogger("werkzeug").info("GET /v1/search?q=secret")
    assert lines.getvalue() == ""


def test_configuring_again_replaces(lines: io.StringIO) -> None:
    """One event is one line however often a process was configured."""
    log.configure("api", stream=lines)
    log.configure("api", stream=lines)
    log.event("x.happened")
    assert len(read(lines)) == 1


def test_standard_output_may_be_replaced(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a stream, events go to standard output as it is when they happen."""
    log.configure("api")
    monkeypatch.setattr("sys.stdout", lines)
    log.event("x.happened")
    assert only(lines)["action"] == "x.happened"


def test_service_defaults_to_cloud_runs(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a name the function's own on Cloud Run is taken."""
    monkeypatch.setenv("K_SERVICE", "start-jobs")
    log.configure(stream=lines)
    log.event("x.happened")
    assert only(lines)["service"] == "start-jobs"


def test_terminal_gets_lines_for_people(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With HEIMDEX_LOG=human a terminal gets plain lines, with exceptions' texts; a pipe JSON."""
    monkeypatch.setenv("HEIMDEX_LOG", "human")
    terminal = Terminal()
    log.configure("api", stream=terminal)
    log.event("x.failed", severity="ERROR", stage="embed_text", token="t", error=KeyError("k"))
    first, *_ = terminal.getvalue().splitlines()
    assert first.endswith(f"ERROR    x.failed stage=embed_text token={REDACTED} error=KeyError")
    assert "KeyError: 'k'" in terminal.getvalue()
    log.configure("api", stream=lines)
    log.event("x.happened")
    assert only(lines)["action"] == "x.happened"


def test_broken_text_does_not_cost_the_line(lines: io.StringIO) -> None:
    """A lone surrogate, as Python makes of undecodable bytes, is replaced."""
    log.event("x.happened", detail="a\udcff민지")
    assert only(lines)["detail"] == "a?민지"


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
            max_leaves=8,
        ),
        max_size=5,
    )
)
def test_whatever_is_logged_is_json(fields: dict[str, object]) -> None:
    """Any value, NaN included, becomes strict JSON."""
    json.loads(json.dumps(clean(fields, texts=False), allow_nan=False))
