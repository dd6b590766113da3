"""Section 7.2: the models are what the book means, and what is claimed of them holds."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib import request

import keras
import matplotlib.image
import numpy as np
import pytest
from conftest import Finished, started

import ch0702_tensor_board as script
from ch07 import board, clinic, imdb, synthetic

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = json.loads((ROOT / "ch07/evidence.json").read_text(encoding="utf-8"))[script.__name__]
README = (ROOT / "README.md").read_text(encoding="utf-8")


# Structure


def test_the_text_classifier_is_the_books():
    model = script.build_text_classifier()
    assert model.count_params() == 291_937
    assert [layer.name for layer in model.layers] == [
        "review", "embed", "conv_1", "pool", "conv_2", "any_place", "sentiment",
    ]  # fmt: skip
    embed, conv_1, pool, conv_2 = model.layers[1:5]
    assert (embed.input_dim, embed.output_dim) == (2000, 128)
    assert (conv_1.filters, conv_1.kernel_size, pool.pool_size) == (32, (7,), (5,))
    assert (conv_2.filters, conv_2.kernel_size) == (32, (7,))
    told = model(np.zeros((2, 500))).numpy()
    assert told.shape == (2, 1)
    assert ((told > 0) & (told < 1)).all()


def test_as_printed_the_classifier_gives_no_probability():
    model = script.build_text_classifier(last_activation=None)
    model.get_layer("sentiment").bias.assign([3.0])
    assert (model(np.zeros((1, 500))).numpy() > 1).all()


def test_as_printed_the_loss_stands_where_the_readme_says():
    # Every output below 0 counts as 1e-7, Keras's epsilon; half of the reviews are good.
    good, outputs = np.array([[0.0], [1.0]]), np.full((2, 1), -3.0)
    loss = float(np.mean(keras.losses.binary_crossentropy(good, outputs)))
    assert f"stand still at {loss:.2f}" in " ".join(README.split())


# The data of the section


def test_reviews_have_the_books_shape_and_a_verdict_that_opinions_tell():
    reviews = synthetic.reviews(0)
    words, good = reviews.train["review"], reviews.train_targets
    assert (words.shape, words.dtype) == ((1600, 500), np.int32)
    assert (good.shape, reviews.test_targets.shape) == ((1600, 1), (400, 1))
    assert good.mean() == 0.5
    assert len(reviews.words) == len(reviews.kinds) == len(set(reviews.words)) == 2000
    kinds = np.array(reviews.kinds)[words]
    written = kinds != "padding"
    assert (np.diff(written.astype(int), axis=1) >= 0).all()  # padding comes first
    balance = np.sum(kinds == "positive", axis=1) - np.sum(kinds == "negative", axis=1)
    assert np.mean((balance > 0) == (good[:, 0] == 1)) > 0.97
    assert reviews.ceiling > 0.99


def test_reviews_follow_the_seed_and_never_repeat():
    one, again, other = (synthetic.reviews(seed, train=50, test=50) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.train["review"], again.train["review"])
    assert (one.train["review"] != other.train["review"]).any()
    trained = {row.tobytes() for row in one.train["review"]}
    assert not trained & {row.tobytes() for row in one.test["review"]}


def test_topics_tell_nothing_of_the_verdict():
    reviews = synthetic.reviews(0)
    kinds = np.array(reviews.kinds)[reviews.train["review"]]
    good = reviews.train_targets[:, 0] == 1
    for topic in synthetic.TOPICS:
        share = np.mean(kinds == topic, axis=1)
        # Four standard deviations of a difference of means of 800 reviews.
        spread = 4 * share.std() * np.sqrt(2 / 800)
        assert abs(share[good].mean() - share[~good].mean()) < spread


# The clinic


def logs_of(**changes):
    """The logs of a healthy training of two epochs, but for `changes` of the train curves."""
    train = {
        "epoch_loss": [0.69, 0.1],
        "epoch_accuracy": [0.5, 0.97],
        "share_of_dead_units/conv_1": [0.0, 0.0],
        "gradient_norm/conv_1": [1.0, 0.2],
        "gradient_norm/sentiment": [1.0, 0.1],
    }
    inside = np.array([[0.1, 0.2, 3.0], [0.8, 0.9, 5.0]])
    return clinic.Logs(
        train | changes, {"epoch_accuracy": [0.5, 0.95]}, {"activations/sentiment": [inside]}
    )


def illnesses(logs):
    return {name for name, sign in clinic.SIGNS.items() if sign.counts(sign.number(logs))}


@pytest.mark.parametrize(
    ("changes", "ill"),
    [
        ({}, set()),
        ({"epoch_loss": [900.0, 0.69]}, {"rate_too_high"}),
        ({"share_of_dead_units/conv_1": [1.0, 1.0]}, {"dead_relus"}),
        ({"gradient_norm/conv_1": [0.1, 0.0002]}, {"vanishing"}),
        ({"gradient_norm/conv_1": [0.1, 0.0]}, set()),  # none at all did not vanish on its way
        ({"epoch_accuracy": [0.5, 1.3]}, {"overfitting"}),
    ],
)
def test_each_sign_is_read_from_its_own_curve(changes, ill):
    assert illnesses(logs_of(**changes)) == ill


def test_outputs_that_are_no_probabilities_are_counted():
    logs = logs_of()
    logs.histograms["activations/sentiment"] = [
        np.array([[-3.0, -1, 6], [0.2, 0.4, 1], [1.0, 2, 3]])
    ]
    assert clinic.share_outside(logs) == 0.9
    assert illnesses(logs) == {"no_sigmoid"}


@pytest.mark.parametrize("illness", clinic.SIGNS)
def test_the_readme_tells_how_to_name_each_illness(illness):
    sign = clinic.SIGNS[illness]
    name = illness.replace("_", " ")
    named = f"[{name}](ch07/pictures/clinic_{illness}.png)"
    row = f"| {sign.tab} | `{sign.tag}` | {sign.see} | {sign.conclude} | {named} |"
    assert row in README


def test_every_patient_is_examined_from_its_event_files(tensor_board):
    for log_dir in (tensor_board.output / "my_log_dir").iterdir():
        name = log_dir.name.split("-", 2)[2]
        found = {
            ill for ill, value in clinic.examine(log_dir).items() if clinic.SIGNS[ill].counts(value)
        }
        if name != "rate_too_high":  # which leaves the other signs without a meaning
            assert found == {name} & clinic.SIGNS.keys()
        assert (name == "rate_too_high") == ("rate_too_high" in found)


# The whole section, run once


def test_the_console_is_clean(tensor_board):
    assert tensor_board.process.stderr == b""
    assert tensor_board.process.returncode == 0
    out = tensor_board.process.stdout
    assert out.isascii()
    assert b"Warning" not in out
    assert b"Traceback" not in out


def test_every_claim_holds(tensor_board):
    claims = tensor_board.record["claims"]
    assert [claim["claim"] for claim in claims if not claim["holds"]] == []
    assert len(claims) == len(EVIDENCE["claims"])


@pytest.mark.parametrize("row", EVIDENCE["claims"], ids=lambda row: row["claim"])
def test_every_claim_of_the_evidence_is_made_and_keeps_its_bound(tensor_board, row):
    (claim,) = [c for c in tensor_board.record["claims"] if c["claim"] == row["claim"]]
    assert claim["bound"] == row["bound"]
    assert claim["holds"]
    assert row["held"] == row["of"] >= 10


def test_every_lesson_has_a_picture_that_can_be_read(tensor_board):
    for lesson in script.section.lessons:
        picture = matplotlib.image.imread(tensor_board.folder / f"{lesson.name}.png")
        assert picture.shape[1] >= 800
        assert picture[..., :3].std() > 0.05


def test_the_classifier_is_drawn_without_graphviz(tensor_board):
    drawn = matplotlib.image.imread(tensor_board.folder / "diagram_text_classifier.png")
    assert drawn[..., :3].std() > 0.05
    told = b"You must install" in tensor_board.process.stdout
    assert (tensor_board.folder / "plot_model_text_classifier.png").exists() != told


def test_each_training_has_a_directory_of_its_own(tensor_board):
    names = [path.name for path in (tensor_board.output / "my_log_dir").iterdir()]
    assert sorted(name.split("-", 2)[2] for name in names) == sorted(["reviews", *script.PATIENTS])
    for part in ("train", "validation"):
        for path in (tensor_board.output / "my_log_dir").iterdir():
            assert len(list((path / part).glob("*tfevents*"))) == 1


def test_the_last_line_is_the_command_that_shows_the_logs(tensor_board):
    line = tensor_board.lines[-1]
    assert line.endswith(f'--logdir "{tensor_board.output / "my_log_dir"}"')
    assert "tensorboard" in line


def test_keras_reads_what_the_callbacks_left(tensor_board):
    (folder,) = (tensor_board.output / "my_trainings").glob("*-early_stopping")
    assert keras.saving.load_model(folder / "my_model.keras").name == "cloud_classifier"


# --board


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_board_shows_the_logs_on_the_next_free_port_until_ctrl_c(tensor_board):
    command = (sys.executable, ROOT / f"{script.__name__}.py", "--board")
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 6006))
            taken.listen()
        except OSError:
            pass  # somebody else has it, who may give it back at any time
        with started(*command, "--output", tensor_board.output) as process:
            line = process.stdout.readline()
            here = line.startswith("TensorBoard is at http://127.0.0.1:")
            assert here, line or process.stderr.read()
            url = line.split()[3]
            ours = taken.getsockname()[1] == 6006
            assert not ours or ":6006/" not in url
            with request.urlopen(f"{url}data/environment", timeout=60) as answer:
                assert "my_log_dir" in answer.read().decode()
            process.send_signal(signal.SIGINT)
            assert process.communicate() == ("", "")
    assert process.returncode == 130


def test_board_without_logs_is_one_sentence(tmp_path):
    done = Finished(script.__name__, tmp_path, "--board").process
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1
    assert b"there are no logs below" in done.stderr


# Two at once, a full disk


def test_two_runs_at_once_do_not_meet(tmp_path):
    command = [sys.executable, ROOT / f"{script.__name__}.py", "7.2.1", "--output", tmp_path]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    for run in runs:
        assert run.communicate()[1] == b""
        assert run.returncode == 0
    folders = sorted(path.name for path in (tmp_path / "my_trainings").iterdir())
    assert len([name for name in folders if "early_stopping" in name]) == 2
    records = tmp_path / "my_figures" / script.__name__ / "claims"
    assert len(list(records.iterdir())) == 2
    for path in records.iterdir():
        assert all(claim["holds"] for claim in json.loads(path.read_bytes())["claims"])


FULL = """
import resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(os.name == "nt", reason="a limit of POSIX")
def test_a_disk_that_is_full_ends_the_run_in_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, ROOT / f"{script.__name__}.py", "7.2.2", "--output", tmp_path],
        capture_output=True,
        cwd=ROOT,
    )
    assert done.returncode == 2, done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    assert b"the run ended early" in done.stderr


# --imdb, on a small file in the same form


@pytest.fixture
def small_imdb(tmp_path, monkeypatch):
    """Reviews in the form of Keras's imdb.npz and imdb_word_index.json, in place of a download."""
    rng = np.random.default_rng(0)
    names = ["great", "awful", "film", "na\u00efve", "\x96"]
    ranks = {name: rank for rank, name in enumerate(names, start=1)}
    (tmp_path / "imdb_word_index.json").write_text(json.dumps(ranks), encoding="utf-8")
    arrays = {}
    for part in ("train", "test"):
        good = np.arange(60) % 2
        texts = [[1 + int(not g), *rng.integers(3, 6, rng.integers(2, 9)).tolist()] for g in good]
        arrays[f"x_{part}"], arrays[f"y_{part}"] = np.empty(60, object), good
        arrays[f"x_{part}"][:] = texts
    np.savez(tmp_path / "imdb.npz", **arrays)
    # The check sum of the real files would refuse these.
    monkeypatch.setattr(
        "keras.src.datasets.imdb.get_file", lambda fname, *args, **options: str(tmp_path / fname)
    )
    return tmp_path


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_imdb_trains_and_logs(small_imdb, tmp_path, monkeypatch, capsys):
    full = imdb.reviews
    monkeypatch.setattr(imdb, "reviews", lambda test: full(train=50, test=40, words=9))
    build = script.build_text_classifier
    monkeypatch.setattr(script, "build_text_classifier", lambda: build(max_features=9))
    monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py"])
    with pytest.raises(SystemExit) as ended:
        script.section.main(["--imdb", "--output", str(tmp_path)])
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    assert "of 40 new reviews" in out
    assert "--logdir" in out.splitlines()[-1]
    (log_dir,) = (tmp_path / "my_log_dir").iterdir()
    assert len(board.scalars(log_dir / "validation")["epoch_accuracy"]) == 5
    assert (log_dir / "train" / "metadata.tsv").exists()


def test_no_imdb_and_no_network_is_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / f"{script.__name__}.py", "--imdb", "--output", tmp_path / "out"],
        capture_output=True,
        # A proxy that nobody answers on, as if there were no network.
        env=os.environ
        | {"KERAS_HOME": str(tmp_path / "keras"), "https_proxy": "http://127.0.0.1:9"},
    )
    assert (done.returncode, len(done.stdout.splitlines())) == (2, 1)
    assert len(done.stderr.splitlines()) == 1
    assert b"the IMDB reviews are not to be had" in done.stderr
    assert not list((tmp_path / "out" / "my_log_dir").iterdir())
