"""The documents say what the code says: each module, each fact, each knob, each request of the control API."""

import re

import pytest

from overlay import facts
from overlay.control import api

README = facts.README.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [facts.README, facts.FACTS], ids=["README", "FACTS"])
def test_it_is_made_from_the_docstrings(path):
    said = path.read_text(encoding="utf-8")
    assert said == facts.documents()[path], "run `python -m overlay.facts --write` in tests/emulator"


def test_the_readme_has_every_knob():
    sources = [path.read_text(encoding="utf-8") for path in facts.PACKAGE.rglob("*.py")]
    read = {name for source in sources for name in re.findall(r'"(OVERLAY_[A-Z_]+)"', source)}
    assert read == set(re.findall(r"`(OVERLAY_[A-Z_]+)`", README))


def test_the_readme_has_every_request_of_the_control_api():
    told = re.findall(r"`(GET|POST|DELETE) (\w+)(/\{\w+\})?`", README)
    assert {(method, what, bool(rest)) for method, what, rest in told} == set(api._ROUTES)


@pytest.mark.parametrize("text", ["", "Does it.", "Owns it, and has no full stop",
                                  "Owns it.\n\nAWS facts:\n* one\nno point\n"])
def test_a_docstring_of_another_form_is_refused(text, tmp_path):
    (tmp_path / "it.py").write_text(f'"""{text}"""\n' if text else "", encoding="utf-8")
    with pytest.raises(facts.DocstringError, match=r"^it: "):
        facts.facts(facts.modules(tmp_path))


def test_the_points_of_a_docstring():
    """Sources with parentheses and of two lines, a point of two lines, prose behind the lists."""
    text = ('Owns it.\n\nAWS facts (guide (x), "A\nB"):\n* one\n  more\n* two\nUnlike AWS:\n* three\nUnsure:\n* four\n'
            '\nThe rest.')
    module = facts.Module("ec2.it", facts.PACKAGE / "ec2" / "it.py", text)
    assert module.points == ['Sources: guide (x), "A B"', "one more", "two", "Unlike AWS: three", "Unsure: four"]
