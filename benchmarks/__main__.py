"""How close the scripts come to what the machine can do: ``python -m benchmarks``.

Everything is a ratio of one run, or a size, with its spread over `measuring.REPETITIONS`
repetitions that take turns; the scripts and lessons beside the import of Keras come from the runs
of the evidence. Writes record.json, the picture and the tables of the documents.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from importlib import metadata

from ch07 import lab

# isort: split
import keras

from benchmarks import growth, throughput
from benchmarks.measuring import REPETITIONS, Measured, in_turn, ratios
from ch07 import claims, documents, figures, pictures
from ch07.files import write_aside

LONG = 0.2  # seconds of a bare epoch from which on it counts as long
LAST = 3  # lessons that are measured anew
SHOWN = 0.15  # of the time: smaller shares of the profile are left out


def spread_of(values: list[float]) -> dict[str, float]:
    """The median and the range, as the evidence has them."""
    measured = Measured("", "", values, at_least=0)
    return {"median": measured.median, "low": min(values), "high": max(values)}


def all_lessons() -> Iterator[tuple[str, lab.Section, lab.Lesson]]:
    """The script, the section and the lesson itself, of each lesson that measures something."""
    for script in documents.SCRIPTS:
        section = importlib.import_module(script).section
        yield from ((script, section, lesson) for lesson in section.lessons if not lesson.summary)


@functools.cache
def training_of(name: str) -> throughput.Training | None:
    """What the lesson of that name trains first; None if it trains nothing with `fit`."""
    _, section, lesson = next(found for found in all_lessons() if found[2].name == name)
    return throughput.main_training(section, lesson)


# The parts: each takes the record and the console, and gives what it has measured.


def scripts(record: dict, console) -> Iterator[Measured]:
    """Each script and each lesson, in imports of Keras, from the runs of the evidence."""
    evidence = documents.read(documents.EVIDENCE)
    known = {of["lesson"]: of for of in record["lessons"]}
    record["lessons"] = [
        known.get(lesson.name, {})
        | {
            "program": script,
            "lesson": lesson.name,
            "imports": evidence[script]["imports"][lesson.name],
        }
        for script, _, lesson in all_lessons()
    ]
    for script in documents.SCRIPTS:
        spread = evidence[script]["imports"][""]
        values = [spread["low"], spread["median"], spread["high"]]
        yield Measured(f"{script}.py takes", "imports of Keras", values, at_most=30)


def lessons(record: dict, console) -> Iterator[Measured]:
    """Each lesson's main model beside a bare loop and beside the book: for the record alone."""
    for of in record["lessons"]:
        main = training_of(of["lesson"])
        if main is not None:
            seconds = throughput.compare(main)
            of["seconds"] = spread_of(seconds["bare"])
            for way in seconds.keys() & {"bare", "printed"}:
                of[way] = spread_of(ratios(seconds[way], seconds["script"]))
        shown = {way: round(of[way]["median"], 2) for way in ("bare", "printed") if way in of}
        console.print(f"  {of['lesson']}: {shown}")
    yield from ()


def slowest(record: dict, console) -> Iterator[Measured]:
    """The slowest of the lessons: the last three, measured anew, and of these the last.

    Anew, since the last of many owes its place to luck too (section 7.3.2).
    """
    trained = [of for of in record["lessons"] if "bare" in of]
    long = [of for of in trained if of["seconds"]["median"] >= LONG]
    changed = [of for of in trained if "printed" in of]
    anew = functools.cache(lambda name: throughput.compare(training_of(name)))
    for among, way, at_least, sentence in (
        (long, "bare", 0.8, "Long epochs: the slowest lesson beside a bare loop"),
        (trained, "bare", 0.8, "All epochs: the slowest lesson beside a bare loop"),
        (changed, "printed", 1.0, "The slowest lesson beside fit as printed"),
    ):
        last = sorted(among, key=lambda of: of[way]["median"])[:LAST]
        seconds = {of["lesson"]: anew(of["lesson"]) for of in last}
        reached = {name: ratios(of[way], of["script"]) for name, of in seconds.items()}
        name = min(reached, key=lambda name: statistics.median(reached[name]))
        console.print(f"  {', '.join(reached)}: {name}")
        yield Measured(sentence, "of the throughput", reached[name], at_least=at_least)


def causes(record: dict, console) -> Iterator[Measured]:
    """What keeps `fit` from a bare loop: a profile, and `fit` without what it shows."""
    small = training_of("sequential_and_functional")
    profiles = [throughput.profile(small) for _ in range(REPETITIONS)]
    record["profile"] = {place: of for place, of in profiles[-1].items() if of >= SHOWN}
    for function, sentence, bound in (
        ("make_iterator", "7.1.1: of fit's time, TensorFlow makes iterators in", {"at_least": 0.2}),
        ("TFE_Py_Execute>", "7.1.1: of fit's time, the steps are taken in", {"at_most": 0.3}),
    ):
        shares = [throughput.share(profiled, function) for profiled in profiles]
        yield Measured(sentence, "of the time", shares, **bound)
    ways = {
        "arrays": throughput.by_fit(small.model, small),
        "one iterator": throughput.with_one_iterator(small),
    }
    seconds = in_turn({name: lambda way=way: way(20) for name, way in ways.items()})
    sentence = "7.1.1: were they made once, an epoch of fit would take"
    once = ratios(seconds["one iterator"], seconds["arrays"])
    yield Measured(sentence, "of the time", once, at_most=0.5)


def logging(record: dict, console) -> Iterator[Measured]:
    """What TensorBoard costs."""
    with_logs, sizes, flat = growth.logging()
    yield Measured("Logging everything: an epoch takes", "with/without", with_logs, at_most=1.25)
    yield Measured("The logs of four epochs take", "MB", sizes, at_most=5)
    sentence = "Other than scalars and histograms, twice the epochs take"
    yield Measured(sentence, "times as much", flat, at_most=1.01)


def more_work(record: dict, console) -> Iterator[Measured]:
    """What more samples and more trials cost."""
    by_samples = growth.samples(training_of("question_answering"))
    for of, name in ((by_samples, "samples"), (growth.trials(), "trials")):
        for times in growth.TIMES[1:]:
            grown = [ratio / times for ratio in ratios(of[times], of[1])]
            sentence = f"{times} times the {name}: time over {times} times the time"
            yield Measured(sentence, "ratio", grown, at_most=1.1)


def memory(record: dict, console) -> Iterator[Measured]:
    """What a long search holds."""
    peaks, more = growth.memory()
    later = [peak / peaks[0] for peak in peaks[1:]]
    sentence = "Peak memory of later processes of a search over the first"
    yield Measured(sentence, "ratio", later, at_most=1.05)
    yield Measured("Within a process, a further trial adds", "MB", more, at_most=20)


def workers(record: dict, console) -> Iterator[Measured]:
    """What a second worker gains."""
    seconds = growth.workers()
    for kind, at_most in (("waits", 0.65), ("trains", 1.25)):
        two = ratios(seconds[kind, 2], seconds[kind, 1])
        sentence = f"Two workers on trials that {kind[:-1]}: time over that of one"
        yield Measured(sentence, "ratio", two, at_most=at_most)


PARTS = {
    part.__name__: part
    for part in (scripts, lessons, slowest, causes, logging, more_work, memory, workers)
}


def picture(trained: list[dict]):
    """The picture of the lessons that train something."""
    shares, seconds = ([of[key]["median"] for of in trained] for key in ("bare", "seconds"))
    return figures.benchmarks(shares, seconds, fixed=seconds[0] / shares[0] - seconds[0])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        help="measure this part anew, and keep the others; may be repeated",
    )
    options = parser.parse_args()
    if sys.platform == "win32":
        parser.error("Windows does not tell the peak of a process's memory in a way known here.")
    if options.only and not documents.BENCHMARKS.exists():
        parser.error("there is no record to keep the other parts of: leave out --only once.")
    record = documents.read(documents.BENCHMARKS) if options.only else {"lessons": []}
    record |= {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "machine": claims.machine(),
        "packages": {name: metadata.version(name) for name in ("tensorflow", "keras", "optuna")},
        "repetitions": REPETITIONS,
    }
    console, rows, seconds = lab.console(), record.get("claims", []), record.get("seconds", {})
    for name in options.only or PARTS:
        console.print(name)
        started = time.perf_counter()
        found = list(PARTS[name](record, console))
        seconds[name] = time.perf_counter() - started
        for measured in found:
            console.print(measured.line, soft_wrap=True)
        console.print(f"  {seconds[name]:.0f} s")
        others = [row for row in rows if row["part"] != name]
        rows = others + [measured.as_record() | {"part": name} for measured in found]
    record["claims"] = sorted(rows, key=lambda row: list(PARTS).index(row["part"]))
    record["seconds"] = {name: seconds[name] for name in PARTS}
    if options.dry:
        return
    write_aside(documents.BENCHMARKS, (json.dumps(record, indent=1) + "\n").encode())
    drawn = picture([of for of in record["lessons"] if "bare" in of])
    figures.save(drawn, pictures.PICTURES / "benchmarks.png")
    pictures.copy(pictures.PICTURES / "benchmarks.png", "benchmarks")
    documents.write()


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
