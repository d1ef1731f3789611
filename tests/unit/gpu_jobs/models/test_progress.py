"""Bars for people, lines for logs."""

from __future__ import annotations

import io

from rich.console import Console

from gpu_jobs.models.progress import Bars, Lines, reporter


def test_a_terminal_gets_a_bar_per_file() -> None:
    """The bar shows how much is there, and a line stays when the file is done."""
    out = io.StringIO()
    with reporter(Console(file=out, force_terminal=True, width=120)) as bars:
        assert isinstance(bars, Bars)
        bars.begin("tiny/config.json", 0, 0)
        bars.finish("22 bytes, verified")
        bars.begin("tiny/model.bin", 500_000, 1_000_000)
        bars.advance(250_000)
    shown = out.getvalue()
    assert "tiny/config.json  22 bytes, verified" in shown
    assert "tiny/model.bin" in shown
    assert "0.8/1.0 MB" in shown


def test_a_pipe_gets_few_lines() -> None:
    """A large file reports every tenth, a small one only that it is there."""
    out = io.StringIO()
    with reporter(Console(file=out, width=120)) as lines:
        assert isinstance(lines, Lines)
        lines.begin("large", 0, 100_000_000)
        for _ in range(1_000):
            lines.advance(100_000)
        lines.finish("100.0 MB, verified")
        lines.begin("small", 0, 1_000)
        lines.advance(1_000)
        lines.finish("1.0 kB, verified")
        lines.begin("resumed", 400, 1_000)
    shown = out.getvalue().splitlines()
    assert len([line for line in shown if line.startswith("large")]) == 11
    assert shown[-2:] == [
        "small  1.0 kB, verified",
        "resumed  goes on at 400 bytes of 1.0 kB",
    ]


def test_names_are_not_taken_for_markup() -> None:
    """Brackets in a path are shown as they are."""
    out = io.StringIO()
    with reporter(Console(file=out, width=120)) as lines:
        lines.say("[red]x[/]")
    assert out.getvalue() == "[red]x[/]\n"
