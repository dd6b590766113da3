"""English or Chinese: which of the two a run speaks, and what a text is in it.

Code has its texts in English, with the numbers in them. What they are in Chinese stands in
words/*.toml, with {} in the place of what varies: in lab.toml what all runs say, with the words of
a script the sentences of its claims, units, names, and the texts of its pictures.
"""

import functools
import locale
import os
import re
import sys
from pathlib import Path

WORDS = Path(__file__).resolve().parent / "words"
LANGUAGES = ("en", "zh")
FLAT = ("claims", "units", "compared_with", "texts")  # tables of English = Chinese
unknown = set()  # texts that had no Chinese when they were asked for


def of_system():
    """The language of the system: "zh" if it is Chinese and the console can show it, else "en"."""
    named = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    named = named or locale.getlocale()[0] or ""  # Windows has it from its settings
    if not named.startswith(("zh", "Chinese")):
        return "en"
    try:
        "\u4e2d\u6587".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "en"
    return "zh"


@functools.cache
def current():
    """The language of this run: what --language asks for, or else that of the system."""
    for place, argument in enumerate(sys.argv):
        asked = argument.partition("=")[2] or "".join(sys.argv[place + 1 : place + 2])
        if argument.partition("=")[0] == "--language" and asked in LANGUAGES:
            return asked
    return of_system()


@functools.cache
def catalogue():
    """The Chinese of every English text, of all files of words, and the patterns of those with {}.

    Returns:
        A dict by English text, and a list of (pattern, Chinese), the longest first.
    """
    try:
        import tomllib
    except ImportError:  # a Python that is too old, which is said in English
        return {}, []
    found = {}

    def gather(table, flat):
        for key, value in table.items():
            if isinstance(value, dict):
                gather(value, flat or key in FLAT)
            elif flat:
                found[key] = value

    for path in sorted(WORDS.glob("*.toml")):
        gather(tomllib.loads(path.read_text(encoding="utf-8")), False)
    patterns = [
        (re.compile("(.+?)".join(map(re.escape, english.split("{}"))), re.DOTALL), chinese)
        for english, chinese in sorted(found.items(), key=lambda one: -len(one[0]))
        if "{}" in english
    ]
    return found, patterns


def tr(english):
    """A text in the language of this run; as it is where it has no Chinese."""
    if current() == "en" or not re.search("[A-Za-z]", english):
        return english
    exact, patterns = catalogue()
    if english in exact:
        return exact[english]
    for pattern, chinese in patterns:
        match = pattern.fullmatch(english)
        if match:
            return chinese.format(*map(tr, match.groups()))
    unknown.add(english)
    return english


def of(words):
    """What `words`, by language, are in that of this run."""
    return words.get(current()) or words.get("en", "")
