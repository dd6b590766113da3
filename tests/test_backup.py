"""A training that is killed goes on where it was, whatever it was doing when it died."""

import collections
import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ch07.backup import Backup, state
from ch07.lab.startup import UsageError

KILLING = Path(__file__).resolve().parent / "killing.py"


def model(units=3, rate=0.5):
    """A model with everything that a backup has to keep: weights, moments, random masks."""
    inputs = keras.Input((4,))
    x = keras.layers.Dropout(rate)(keras.layers.Dense(units)(inputs))
    built = keras.Model(inputs, keras.layers.Dense(1)(x))
    built.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    return built


def fit(backup, *callbacks, epochs=3, rate=0.5):
    """Train a new model up to `epochs`, going on from `backup` if it is one; returns the model."""
    keras.utils.set_random_seed(0)
    vectors = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    made = model(rate=rate)
    start = backup.restore(made) if isinstance(backup, Backup) else 0
    options = {"initial_epoch": start, "epochs": epochs, "batch_size": 4, "verbose": 0}
    made.fit(vectors, vectors.sum(axis=1), callbacks=[*callbacks, backup], **options)
    return made


def same(one, other):
    """Whether two models have the same weights, to the last bit."""
    return all(map(np.array_equal, one.get_weights(), other.get_weights()))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "backup.npz"


# Killed for real


@pytest.fixture(scope="module")
def moments(tmp_path_factory):
    """A record for every moment at which killing.py killed a training (half a minute)."""
    if sys.platform != "linux":
        pytest.skip("stopping at system calls is done with Linux's ptrace")
    # Python 3.12 and later warn of a fork beside the threads of TensorFlow, which are idle.
    program = [KILLING, tmp_path_factory.mktemp("k")]
    command = [sys.executable, "-W", "ignore::DeprecationWarning", *program]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("ptrace is not permitted here")
    assert done.returncode == 0, done.stderr
    records = collections.defaultdict(list)
    for record in map(json.loads, done.stdout.splitlines()):
        records[record["backup"]].append(record)
    return records


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_as_if_nothing_had_happened(moments):
    hooks = {record["hook"] for record in moments["ours"]}
    assert len(moments["ours"]) > 30
    assert hooks >= {"on_train_begin", "on_train_batch_end", "on_epoch_end", "on_train_end"}
    for record in moments["ours"]:
        assert record["error"] == "", record
        assert record["same"], record
        assert record["epochs"] + record["ended"] - 3 in (0, 1), record
        assert record["files"] == ["backup.npz"], record
    # Neither is the backup there all the time, nor never: some died before it took its name.
    again = {r["epochs"] + r["ended"] - 3 for r in moments["ours"] if r["hook"] == "on_epoch_end"}
    assert again == {0, 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["keras", "keras double"])
def test_why_not_the_callback_of_keras(moments, name):
    saving = [record for record in moments[name] if record["hook"] == "on_epoch_end"]
    errors = {record["error"] for record in saving}
    assert errors == {"", "OSError", "RuntimeError", "JSONDecodeError"}
    # New weights with an old epoch: that epoch is trained twice, and nobody is told.
    assert any(record["error"] == "" and not record["same"] for record in saving)


# What a backup keeps


def interrupted(backup, *callbacks):
    """Interrupt a training before its second epoch, then start it again; returns the second."""

    def interrupt(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(backup, keras.callbacks.LambdaCallback(on_epoch_begin=interrupt), *callbacks)
    return fit(backup, *callbacks)


def test_weights_optimizer_its_rate_and_the_masks_of_dropout_go_on(path):
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    resumed, undisturbed = interrupted(Backup(path), halve), fit(keras.callbacks.Callback(), halve)
    assert resumed.history.epoch == [1, 2]
    assert same(resumed, undisturbed)
    assert float(resumed.optimizer.learning_rate) == pytest.approx(0.01 / 8)
    for one, other in zip(state(resumed), state(undisturbed), strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


def test_the_callback_of_keras_forgets_the_masks_of_dropout(tmp_path):
    resumed = interrupted(keras.callbacks.BackupAndRestore(tmp_path / "keras"))
    assert resumed.history.epoch == [1, 2]
    assert not same(resumed, fit(keras.callbacks.Callback()))


def test_a_finished_training_goes_on_only_when_its_epochs_grow(path):
    finished = fit(Backup(path), epochs=2)
    assert list(path.parent.iterdir()) == [path]
    again = fit(Backup(path), epochs=2)
    assert again.history.epoch == []
    assert same(again, finished)
    assert fit(Backup(path), epochs=3).history.epoch == [2]


def test_a_training_that_early_stopping_ended_is_over(path):
    def stopped():
        """What ends a training behind its second epoch, the best."""
        losses = lambda epoch, logs: logs.update(loss=float(abs(epoch - 1)))  # noqa: E731
        stop = keras.callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True)
        return keras.callbacks.LambdaCallback(on_epoch_end=losses), stop

    ended = fit(Backup(path), *stopped(), epochs=10)
    assert ended.history.epoch == [0, 1, 2]  # the best, and one without a gain
    whole = path.read_bytes()
    for epochs in (10, 20):
        again = fit(Backup(path), *stopped(), epochs=epochs)
        assert again.history.epoch == []
        assert same(again, ended)  # with the best weights, not the last ones
        assert path.read_bytes() == whole
    again.fit(np.ones((8, 4)), np.ones(8), epochs=2, verbose=0)  # `fit` itself begins as ever
    assert again.history.epoch == [0, 1]


def test_what_a_killed_process_left_half_written_is_removed(path):
    fit(Backup(path), epochs=1)
    whole = path.read_bytes()
    path.with_name("backup.npz.123.part").write_bytes(whole[:100])
    other = path.with_name("other.npz.123.part")
    other.write_bytes(b"of another training")
    assert Backup(path).restore(model()) == 1
    assert path.read_bytes() == whole
    assert set(path.parent.iterdir()) == {path, other}


def test_fit_from_another_epoch_is_refused_and_the_backup_kept(path):
    fit(Backup(path), epochs=2)
    whole = path.read_bytes()
    forgotten, ignored = Backup(path), Backup(path)
    assert ignored.restore(model()) == 2
    for backup in (forgotten, ignored):
        with pytest.raises(ValueError, match="needs fit"):
            model().fit(np.zeros((4, 4)), np.zeros(4), verbose=0, callbacks=[backup])
    assert path.read_bytes() == whole


# Backups that are broken


class Trap:
    """What an unpickled file would do."""

    def __reduce__(self):
        return pytest.fail, ("a backup was unpickled",)


def damaged(content):
    """The file `content` with damage of every kind, by name."""
    yield "empty", b""
    yield "text", b"no backup"
    np.savez(file := io.BytesIO(), np.array([Trap()], dtype=object))
    yield "pickled", file.getvalue()
    for at in range(1, len(content), len(content) // 97):  # at every part of the file
        yield f"cut at {at}", content[:at]
        # A copy that was interrupted on a system that sets the length first.
        yield f"zeros from {at}", content[:at] + bytes(len(content) - at)
        yield f"bit of {at}", content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :]


def test_a_broken_backup_is_refused_or_harmless_and_left_as_it_is(path):
    fit(Backup(path), epochs=1)
    whole, made = path.read_bytes(), model()
    *_, values = Backup(path).read()
    refusals = []
    for damage, content in damaged(whole):
        path.write_bytes(content)
        try:
            assert Backup(path).restore(made) == 1, damage
        except UsageError as error:
            refusals.append(str(error))
        else:  # what a ZIP has twice, or nobody reads, such as the hour of writing
            assert damage.startswith("bit"), damage
            found = [variable.numpy() for variable in state(made)]
            assert all(map(np.array_equal, found, values)), damage
        assert path.read_bytes() == content
    assert len(refusals) > 200
    for refusal in refusals:
        assert refusal.startswith(f"the backup '{path}' cannot be read (")
        assert refusal.endswith("delete it to train from the beginning.")


def test_a_backup_of_another_model_is_refused_and_changes_nothing(path):
    fit(Backup(path), epochs=1)
    wider = model(units=5)
    before = wider.get_weights()
    with pytest.raises(UsageError, match="of another model"):
        Backup(path).restore(wider)
    assert all(map(np.array_equal, before, wider.get_weights()))


def test_a_full_disk_leaves_the_backup_before_it(path):
    resource = pytest.importorskip("resource", reason="Windows cannot limit the size of a file")
    fit(Backup(path), epochs=1)
    whole = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) // 2, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            fit(Backup(path), epochs=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == whole
    assert list(path.parent.iterdir()) == [path]
    assert fit(Backup(path), epochs=2).history.epoch == [1]


def test_a_folder_is_made_and_where_nothing_can_be_written_the_training_does_not_begin(path):
    new = path.parent / "new" / "backup.npz"
    assert Backup(str(new)).restore(model()) == 0
    assert new.parent.is_dir()
    path.write_text("no folder", encoding="utf-8")
    for place in (path / "backup.npz", new.parent):
        with pytest.raises((OSError, UsageError)):
            Backup(place).restore(model())


def test_a_model_that_is_not_compiled_is_refused(path):
    stack = keras.Sequential([keras.layers.Dense(1)], name="stack")
    with pytest.raises(ValueError, match="The model 'stack' has to be compiled, before the backup"):
        Backup(path).restore(stack)
