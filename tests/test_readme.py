"""The README's code blocks are a session that prints what they say."""

import doctest
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.mark.cpu
def test_the_readme_s_snippets_print_what_it_shows(capsys):
    results = doctest.testfile(str(README), module_relative=False)
    assert results.attempted > 20
    assert results.failed == 0, capsys.readouterr().out
