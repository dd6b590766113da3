"""How close the scripts come to what the machine can do: ``python -m benchmarks``.

Everything is a ratio of one run, or a size, with its spread over `measuring.REPETITIONS`
repetitions that take turns; the scripts and lessons beside the import of Keras come from the runs
of the evidence. Writes record.json, the picture and the tables of the documents.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from collections.abc import Iterator
from importlib import metadata

from ch07 import lab

# isort: split
import keras

from benchmarks import growth, throughput
from benchmarks.measuring import REPETITIONS, Measured, in_turn, ratios
from ch07 import claims, documents, figures
from ch07.files import write_aside

LONG = 0.2  # seconds of a bare epoch from which on it counts as long
AT_LEAST = {"bare": 0.8, "printed": 1.0}  # of the throughput


def spread_of(values: list[float]) -> dict[str, float]:
    """The median and the range, as the evidence has them."""
    measured = Measured("", "", values, at_least=0)
    return {"median": measured.median, "low": min(values), "high": max(values)}


def imports() -> Iterator[Measured]:
    """Each script, in imports of Keras, from the runs of the evidence."""
    evidence = documents.read(documents.EVIDENCE)
    for script in documents.SCRIPTS:
        spread = evidence[script]["imports"][""]
        yield Measured(
            f"{script}.py takes", "imports of Keras",
            [spread["low"], spread["median"], spread["high"]], at_most=30, group="scripts",
        )  # fmt: skip


def lessons(console) -> tuple[list[dict], dict[str, throughput.Training]]:
    """What each lesson's main model is beside a bare loop and beside the book.

    Returns:
        A record for each lesson, and by lesson what was trained.
    """
    evidence = documents.read(documents.EVIDENCE)
    records, trained = [], {}
    for script in documents.SCRIPTS:
        section = importlib.import_module(script).section
        for lesson in section.lessons:
            if lesson.summary:
                continue
            spread = evidence[script]["imports"][lesson.name]
            record = {"program": script, "lesson": lesson.name, "imports": spread}
            main = throughput.main_training(section, lesson)
            if main is not None:
                trained[lesson.name] = main
                seconds = throughput.compare(main)
                record["seconds"] = spread_of(seconds["bare"])
                for way in ("bare", "printed"):
                    if way in seconds:
                        record[way] = spread_of(ratios(seconds[way], seconds["script"]))
            records.append(record)
            shown = {k: round(record[k]["median"], 2) for k in ("bare", "printed") if k in record}
            console.print(f"  {lesson.name}: {shown}")
    return records, trained


def slowest(
    records: list[dict], trained: dict[str, throughput.Training], way: str, sentence: str
) -> Measured:
    """The lesson of `records` with the lowest median beside `way`, measured anew.

    Anew, since the lowest of many medians owes its place to luck too (section 7.3.2).
    """
    found = min((record for record in records if way in record), key=lambda r: r[way]["median"])
    seconds = throughput.compare(trained[found["lesson"]])
    values, at_least = ratios(seconds[way], seconds["script"]), AT_LEAST[way]
    return Measured(sentence, "of the throughput", values, at_least=at_least, group="throughput")


def measure(console) -> tuple[list[Measured], list[dict], dict[str, float]]:
    """All measurements, the record of each lesson, and a profile of `fit`."""
    started = time.perf_counter()

    def progress(what: str) -> None:
        console.print(f"{time.perf_counter() - started:4.0f} s  {what}")

    found = list(imports())
    progress("throughput")
    records, trained = lessons(console)
    small, large = trained["sequential_and_functional"], trained["question_answering"]
    long = [r for r in records if "seconds" in r and r["seconds"]["median"] >= LONG]
    for among, way, sentence in (
        (long, "bare", "Long epochs: the slowest lesson beside a bare loop"),
        (records, "bare", "All epochs: the slowest lesson beside a bare loop"),
        (records, "printed", "The slowest lesson beside fit as printed"),
    ):
        found.append(slowest(among, trained, way, sentence))
    called = throughput.in_one_call(trained["the_clinic"])
    sentence = "The clinic, with an epoch in a call, beside a bare loop"
    reached = ratios(called["bare"], called["one call"])
    found.append(Measured(sentence, "of the throughput", reached, at_least=0.8, group="throughput"))
    profiles = [throughput.profile(small) for _ in range(REPETITIONS)]
    for function, sentence, bound in (
        ("make_iterator", "7.1.1: of fit's time, TensorFlow makes iterators in", {"at_least": 0.2}),
        ("TFE_Py_Execute>", "7.1.1: of fit's time, the steps are taken in", {"at_most": 0.3}),
    ):
        shares = [throughput.share(profiled, function) for profiled in profiles]
        found.append(Measured(sentence, "of the time", shares, group="throughput", **bound))
    ways = {
        "arrays": throughput.by_fit(small.model, small),
        "one iterator": throughput.with_one_iterator(small),
    }
    seconds = in_turn({name: lambda way=way: way(20) for name, way in ways.items()})
    sentence = "7.1.1: were they made once, an epoch of fit would take"
    once = ratios(seconds["one iterator"], seconds["arrays"])
    found.append(Measured(sentence, "of the time", once, at_most=0.5, group="throughput"))
    progress("logging")
    with_logs, sizes, flat = growth.logging()
    found += [
        Measured("Logging everything: an epoch takes", "with/without", with_logs,
                 at_most=1.25, group="logging"),
        Measured("The logs of four epochs take", "MB", sizes, at_most=5, group="logging"),
        Measured("Other than scalars and histograms, twice the epochs take", "times as much", flat,
                 at_most=1.01, group="logging"),
    ]  # fmt: skip
    progress("growth")
    by_samples, by_trials = growth.samples(large), growth.trials()
    for of, name in ((by_samples, "samples"), (by_trials, "trials")):
        for times in growth.TIMES[1:]:
            grown = [ratio / times for ratio in ratios(of[times], of[1])]
            sentence = f"{times} times the {name}: time over {times} times the time"
            found.append(Measured(sentence, "ratio", grown, at_most=1.1, group="growth"))
    progress("memory")
    peaks, more = growth.memory()
    later = [peak / peaks[0] for peak in peaks[1:]]
    sentence = "Peak memory of later processes of a search over the first"
    found.append(Measured(sentence, "ratio", later, at_most=1.05, group="growth"))
    sentence = "Within a process, a further trial adds"
    found.append(Measured(sentence, "MB", more, at_most=20, group="growth"))
    progress("workers")
    seconds = growth.workers()
    for kind, at_most in (("waits", 0.65), ("trains", 1.25)):
        two = ratios(seconds[kind, 2], seconds[kind, 1])
        sentence = f"Two workers on trials that {kind[:-1]}: time over that of one"
        found.append(Measured(sentence, "ratio", two, at_most=at_most, group="workers"))
    shown = {place: of for place, of in profiles[-1].items() if of >= 0.15}
    return found, records, shown


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    options = parser.parse_args()
    if sys.platform == "win32":
        parser.error("Windows does not tell the peak of a process's memory in a way known here.")
    console = lab.console()
    started = time.perf_counter()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    found, records, profile = measure(console)
    console.print()
    for measured in found:
        console.print(measured.line, soft_wrap=True)
    console.print(f"  {time.perf_counter() - started:.0f} s")
    if options.dry:
        return
    packages = {name: metadata.version(name) for name in ("tensorflow", "keras", "optuna")}
    record = {
        "started": stamp,
        "python": platform.python_version(),
        "machine": claims.machine(),
        "packages": packages,
        "repetitions": REPETITIONS,
        "claims": [measured.as_record() for measured in found],
        "lessons": records,
        "profile": profile,
    }
    write_aside(documents.BENCHMARKS, (json.dumps(record, indent=1) + "\n").encode())
    trained = [r for r in records if "bare" in r]
    shares, seconds = ([r[key]["median"] for r in trained] for key in ("bare", "seconds"))
    picture = figures.benchmarks(shares, seconds, fixed=seconds[0] / shares[0] - seconds[0])
    figures.save(picture, documents.HOME / "pictures" / "benchmarks.png")
    documents.write()


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
