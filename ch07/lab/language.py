"""English or Chinese: which of the two a run speaks, and what a text is in it.

Code has its texts in English, with the numbers in them. What they are in Chinese stands in
words/*.toml, with {} in the place of what varies.
"""

import functools
import locale
import os
import re
import sys
from pathlib import Path

WORDS = Path(__file__).resolve().parent / "words"
LANGUAGES = ("en", "zh")
FLAT = ("claims", "compared_with", "texts")  # tables of English = Chinese
unknown = set()  # what was asked for and has no Chinese, which a test looks at


def of_system():
    """The language of the system: "zh" if it is Chinese and the console can show it, else "en"."""
    named = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    named = named or locale.getlocale()[0] or ""  # Windows has it from its settings
    try:
        "\u4e2d\u6587".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "en"
    return "zh" if named.startswith(("zh", "Chinese")) else "en"


@functools.lru_cache  # Python 3.8, which has to be turned away, has no functools.cache
def current():
    """The language of this run: what --language asks for, or else that of the system."""
    asked = re.search(r"\0--language[=\0](en|zh)\0", "\0".join(["", *sys.argv, ""]))
    return asked[1] if asked else of_system()


@functools.lru_cache  # Python 3.8, which has to be turned away, has no functools.cache
def catalogue():
    """The Chinese of each English text, and (pattern, Chinese) of those with {}, longest first."""
    try:
        import tomllib
    except ImportError:  # a Python that is too old, which is said in English
        return {}, []
    found = {}
    for path in sorted(WORDS.glob("*.toml")):
        words = tomllib.loads(path.read_text(encoding="utf-8"))
        for table in (words, *(of for of in words.values() if isinstance(of, dict))):
            for name in FLAT:
                found.update(table[name] if isinstance(table.get(name), dict) else {})
            # The claims of a lesson on real data that have a sentence of their own.
            real = table["real"]["claims"].values() if isinstance(table.get("real"), dict) else ()
            found.update({claim["en"]: claim["zh"] for claim in real if "en" in claim})
        # "accuracy" = "... {}": the Chinese of a number and its unit.
        found.update({f"{{}} {unit}": of for unit, of in words.get("units", {}).items()})
    patterns = [
        (re.compile("(.+?)".join(map(re.escape, english.split("{}"))), re.DOTALL), chinese)
        for english, chinese in sorted(found.items(), key=lambda one: -len(one[0]))
        if "{}" in english
    ]
    return found, patterns


def tr(english):
    """A text in the language of this run; as it is where it has no Chinese."""
    if current() == "en":
        return english
    exact, patterns = catalogue()
    if english in exact or not re.search("[A-Za-z]{2}", english):  # a number stays as it is
        return exact.get(english, english)
    for pattern, chinese in patterns:
        match = pattern.fullmatch(english)
        if match:
            return chinese.format(*map(tr, match.groups()))
    # Else it is Chinese already, a path, or a name of the code such as hidden_1.
    if not re.search("[\u4e00-\u9fff/]|^[a-z]+(_[a-z0-9]+)+$", english):
        unknown.add(english)
    return english


def of(words):
    """What `words`, by language, are in that of this run."""
    return words.get(current()) or words.get("en", "")
