"""Progress in a notebook; the kernel is made up."""

import sys
import types

import pytest

from nlparam.runtime.progress import Progress


@pytest.fixture
def shown(monkeypatch):
    """What a notebook was told to show: for each output of the cell what stands in it now."""
    outputs: list[str] = []

    def display(content, *, raw, display_id):
        assert raw
        assert display_id
        outputs.append(content["text/plain"])
        number = len(outputs) - 1

        def update(content, *, raw):
            assert raw
            outputs[number] = content["text/plain"]

        return types.SimpleNamespace(update=update)

    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    return outputs


def test_steps_of_a_notebook_are_lines_of_one_output(shown, capsys):
    progress = Progress()
    assert progress.enabled
    with progress.task("starting", None):
        assert "starting" in shown[0]
    with progress.task("judging", 3, unit="judgments") as task:
        for _ in range(3):
            task.advance()
    with progress.task("[seeds]", 2, unit="fits") as task:
        task.advance()
        with progress.task("relaxing", None):
            assert [line.split()[0] for line in shown[0].splitlines()][:1] == ["judging"]
            assert "relaxing" in shown[0]
    judged, seeds = shown[0].splitlines()
    assert "3/3 judgments" in judged
    assert "[seeds]" in seeds
    assert "1/2 fits" in seeds
    assert len(shown) == 1
    assert capsys.readouterr() == ("", "")


def test_a_pipe_and_a_silenced_notebook_show_nothing(shown):
    with Progress(enabled=False).task("judging", 3) as task:
        task.advance()
    assert shown == []


def test_outside_of_a_kernel_there_is_no_display(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert not Progress().enabled
