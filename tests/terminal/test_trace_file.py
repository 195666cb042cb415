"""The file of --trace: for its owner alone, whole lines, and never in the way."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from reader.links.recording import Written
from reader.links.replay import read_transcript
from terminal.errors import TraceFileError
from terminal.trace_file import TraceFile

OFF: Written = {"step": "power-off"}


def test_a_trace_is_its_owners_alone_and_says_what_it_is(tmp_path):
    """Even masked it is nobody else's business."""
    path = tmp_path / "t.jsonl"

    with TraceFile(path) as trace:
        trace.write(OFF)

    first, second = path.read_text().splitlines()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "card replay" in json.loads(first)["text"]
    assert json.loads(second) == OFF


def test_a_second_run_appends(tmp_path):
    """The terminal is restarted in the middle of a day with a problem."""
    path = tmp_path / "t.jsonl"
    for _ in range(2):
        with TraceFile(path) as trace:
            trace.write(OFF)

    assert len(read_transcript(path.read_text())) == 2


def test_what_is_written_is_there_at_once(tmp_path):
    """A terminal that is killed leaves the step before it."""
    path = tmp_path / "t.jsonl"

    with TraceFile(path) as trace:
        trace.write(OFF)
        assert path.read_text().count("\n") == 2


def test_a_full_trace_ends_and_the_cards_go_on(tmp_path):
    """The disk is for the journal."""
    path = tmp_path / "t.jsonl"

    with TraceFile(path, most_bytes=400) as trace:
        for _ in range(100):
            trace.write(OFF)

    assert 400 <= path.stat().st_size < 500
    assert read_transcript(path.read_text())


def test_a_disk_that_takes_no_more_ends_the_trace_alone():
    """/dev/full says so at the first byte; nothing is raised."""
    with TraceFile(Path("/dev/full")) as trace:
        trace.write(OFF)
        trace.write(OFF)


def test_a_closed_trace_takes_no_more(tmp_path):
    """A session that ends after the daemon has closed it is not in its way."""
    path = tmp_path / "t.jsonl"
    with TraceFile(path) as trace:
        pass

    trace.write(OFF)

    assert not read_transcript(path.read_text())


def test_a_link_to_elsewhere_is_not_followed(tmp_path):
    """A trace in a shared folder must not be led into another file."""
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "t.jsonl").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(TraceFileError):
        TraceFile(tmp_path / "t.jsonl")


def test_a_trace_that_cannot_be_written_is_named(tmp_path):
    """Before the first card, with what to do."""
    with pytest.raises(TraceFileError, match="Name another file"):
        TraceFile(tmp_path / "no" / "t.jsonl")
