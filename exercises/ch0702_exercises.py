"""Exercises to section 7.2, "predict, then run", with their solutions.

`python -m exercises.ch0702_exercises` runs them all, `... 7.2.2` those to one part of the section;
`--list` asks the questions and does not tell the answers. The docstring of a solution is the
question; its claims are the answer, in numbers.
"""

from __future__ import annotations

from ch07 import lab  # first: it checks the installation

# isort: split
import contextlib
import csv

import keras
import numpy as np
from keras import layers

import ch0702_tensor_board as chapter
from ch07 import board, callbacks, probes, scores, synthetic, training

section = lab.Section(
    "7.2", "Exercises to callbacks and TensorBoard", folders=["my_log_dir", "my_trainings"]
)


# %% 7.2.1 Callbacks: stop early and keep the best model


@section.exercise(
    chapter.early_stopping,
    "7.2.1",
    "Stop with a patience of 0",
    why="An epoch is over before anything can be known of it, so no patience waits for less than "
    "one epoch without a gain: for EarlyStopping 0 and 1 are the same.",
)
def patience_of_zero_and_one(run):
    """EarlyStopping is given a patience of 0, of 1 and of 2. Predict: how many epochs earlier than
    with 1 does it stop with 0? And how many later with 2, at the least?
    """
    model, data = chapter.prepare_to_overfit(run.seed)
    rewind = training.rewinder(model, run.seed)
    ended = {}
    for patience in (0, 1, 2):
        rewind()
        stop = keras.callbacks.EarlyStopping("val_accuracy", patience=patience)
        told = [stop, run.progress(f"patience {patience}")]
        ended[patience] = len(model.fit(**data, epochs=20, callbacks=told).epoch)
    unit, versus = "epochs", {"stopped_after": ended[1]}
    run.claim("With 0 it stops earlier than with 1 by", ended[1] - ended[0], unit, exactly=0)
    run.claim("With 2 it stops later by", ended[2] - ended[1], unit, at_least=1, **versus)


@section.exercise(
    chapter.early_stopping,
    "7.2.1",
    'Monitor the accuracy with mode="min"',
    why="For this mode a gain is an accuracy that falls. The first epochs have the lowest, two "
    "better ones use up the patience, and the lowest comes back: nothing warns of it.",
)
def the_wrong_mode(run):
    """Give EarlyStopping the monitor "val_accuracy", a patience of 2, restore_best_weights=True and
    mode="min", which is right for a loss. Predict: after how many of 20 epochs does it stop, and
    which epoch's weights does the model have then?
    """
    model, data = chapter.prepare_to_overfit(run.seed)
    stop = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=2, mode="min", restore_best_weights=True
    )
    told = model.fit(**data, epochs=20, callbacks=[stop, run.progress("mode min")]).history
    restored = training.validation_loss(model, data)
    worst = int(np.argmin(told["val_accuracy"]))
    off, versus = abs(restored - told["val_loss"][worst]), {"of_epoch": worst + 1}
    run.claim("It stops after", len(told["loss"]), "epochs", at_most=8)
    sentence = "The model and the least accurate epoch differ by"
    run.claim(sentence, off, "val loss", exactly=0, **versus)


@section.exercise(
    chapter.early_stopping,
    "7.2.1",
    "Restore the best epoch as printed",
    why="The training accuracy rises as long as points are learned by heart, so its best epoch is "
    "one of the last. By then the loss on new points, where it is sure and wrong, has risen.",
)
def the_best_by_training_accuracy(run):
    """Restore the best weights by "accuracy", the training accuracy that the printed "acc" means,
    from a training of 20 epochs that nothing stops. Predict: which epoch comes back, and by which
    factor is its validation loss above the best?
    """
    model, data = chapter.prepare_to_overfit(run.seed)
    epochs = 20
    restore = keras.callbacks.EarlyStopping("accuracy", patience=epochs, restore_best_weights=True)
    told = model.fit(**data, epochs=epochs, callbacks=[restore, run.progress("to the end")]).history
    best = int(np.argmin(told["val_loss"]))
    ratio = training.validation_loss(model, data) / told["val_loss"][best]
    back, versus = 1 + int(np.argmax(told["accuracy"])), {"best_val_loss": best + 1}
    run.claim("The epoch that comes back is number", back, "", at_least=16, **versus)
    run.claim("Its validation loss is", ratio, "times the best", at_least=1.15)


# %% 7.2.1 Callbacks: the learning rate


@section.exercise(
    chapter.learning_rates,
    "7.2.1",
    "Give the optimizer a schedule as well",
    why="An optimizer made with a LearningRateSchedule has no rate that can be set. The callback "
    "finds out when it first sets one, after hours if need be.",
)
def a_schedule_that_cannot_be_set(run):
    """Compile with RMSprop(ExponentialDecay(0.03, 100, 0.9)) and train for ten epochs with
    ReduceLROnPlateau(patience=2, min_delta=100), for which no epoch but the first is a gain.
    Predict: does Keras refuse that, and after how many epochs?
    """
    model = chapter.build_cloud_classifier()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.03, 100, 0.9)
    model.compile(keras.optimizers.RMSprop(schedule), "categorical_crossentropy")
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))
    reduce = keras.callbacks.ReduceLROnPlateau("val_loss", patience=2, min_delta=100)
    ended, refusal = [], ""
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ended.append(epoch))
    try:
        model.fit(**data, epochs=10, callbacks=[count, reduce])
    except TypeError as error:
        refusal = str(error)
        run.quote(refusal)
    run.claim("To set the rate is refused", "not settable" in refusal, "times", exactly=1)
    run.claim("That comes at the end of epoch", len(ended), "", exactly=3)


@section.exercise(
    chapter.learning_rates,
    "7.2.1",
    "Resume a training with a schedule",
    why="The function halves the rate that it is given, and a new optimizer gives it the 0.03 of "
    "the start: two halvings are missing. A function of the epoch alone needs no past.",
)
def a_schedule_resumed(run):
    """A training is started again with a new optimizer, of rate 0.03, and initial_epoch=7. Predict:
    by which factor is its rate off that of a training that was never interrupted, with the
    scheduler's function as it is, and with lambda epoch, rate: 0.03 * 0.5 ** (epoch // 3)?
    """
    start, first, epochs = 0.03, 7, 10
    model = chapter.build_cloud_classifier()
    model.compile(keras.optimizers.RMSprop(start), "categorical_crossentropy")
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))
    rewind = training.rewinder(model, run.seed)
    uninterrupted = np.float32(start) * 0.5 ** (np.arange(first, epochs) // 3)
    off = {}
    for arm, rule in {
        "of the rate before": chapter.halve_every_third_epoch,
        "of the epoch": lambda epoch, rate: start * 0.5 ** (epoch // 3),
    }.items():
        rewind()
        schedule = [keras.callbacks.LearningRateScheduler(rule), run.progress(arm)]
        told = model.fit(**data, initial_epoch=first, epochs=epochs, callbacks=schedule).history
        off[arm] = np.mean(told["learning_rate"] / uninterrupted)
    unit = "times what it should be"
    sentence = "Halved from the rate before, the rate is"
    run.claim(sentence, off["of the rate before"], unit, exactly=4)
    run.claim("Worked out from the epoch, the rate is", off["of the epoch"], unit, exactly=1)


@section.exercise(
    chapter.learning_rates,
    "7.2.1",
    "Schedule and plateau together",
    why="The scheduler sets the rate at the beginning of an epoch, and overwrites what the plateau "
    "set at the end of the one before. What the last callback to write says is what counts.",
)
def two_callbacks_for_one_rate(run):
    """Put LearningRateScheduler(lambda epoch, rate: 0.03) and the ReduceLROnPlateau of the lesson
    into one list. Predict: how often does the plateau reduce the rate in ten epochs, and how many
    epochs are trained with another rate than 0.03?
    """
    start, epochs, after = 0.03, 10, []
    model = chapter.build_cloud_classifier()
    model.compile(keras.optimizers.RMSprop(start), "categorical_crossentropy")
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))

    def note(epoch, logs):
        after.append(float(model.optimizer.learning_rate))

    both = [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: start),
        chapter.build_learning_rate_callback(),
        keras.callbacks.LambdaCallback(on_epoch_end=note),
        run.progress("schedule and plateau"),
    ]
    told = model.fit(**data, epochs=epochs, callbacks=both).history
    reduced = sum(rate < start / 2 for rate in after)
    trained = sum(rate < start / 2 for rate in told["learning_rate"])
    run.claim("The plateau reduces the rate", reduced, "times", at_least=2)
    run.claim("Trained with another rate are", trained, "epochs", exactly=0)


# %% 7.2.1 Callbacks: a log of every epoch, and what resuming loses


@section.exercise(
    chapter.csv_logger,
    "7.2.1",
    "Append with a callback more",
    why="The header of the first training stays. The columns are in alphabetical order, so the "
    "new learning_rate stands where loss was, and every number behind it is one column off.",
)
def a_column_more(run):
    """Log three epochs with CSVLogger, then three more with append=True and, before the logger in
    the list, the callback for the learning rate (patience=10). Predict: how many fields do the
    header and the last row have, and what does a reader of the file find in the column "loss"?
    """
    path = run.folder_for("a_column_more") / "log.csv"
    model, data = chapter.prepare_to_overfit(run.seed)
    first = [keras.callbacks.CSVLogger(path), run.progress("first")]
    model.fit(**data, epochs=3, callbacks=first)
    second = [
        chapter.build_learning_rate_callback(patience=10),
        keras.callbacks.CSVLogger(path, append=True),
        run.progress("with the rate"),
    ]
    told = model.fit(**data, initial_epoch=3, epochs=6, callbacks=second).history
    with path.open(encoding="utf-8", newline="") as file:
        header, *_, last = csv.reader(file)
    found, rate = float(last[header.index("loss")]), float(np.float32(0.01))
    run.claim("The header has", len(header), "fields", exactly=5)
    run.claim("The last row has", len(last), "fields", exactly=6)
    run.claim('In the column "loss" it has', found, "", exactly=rate, loss=told["loss"][-1])


@section.exercise(
    chapter.csv_logger,
    "7.2.1",
    "Keep a file for every epoch",
    why="Without initial_epoch the epochs are numbered from the beginning: the files are written "
    "over, and the log has each number twice. ModelCheckpoint counts from 1, CSVLogger from 0.",
)
def a_file_for_every_epoch(run):
    """Save every epoch with ModelCheckpoint(folder / "{epoch:02d}.keras") and log it with
    CSVLogger(append=True), for three epochs. Call fit again for three more, without initial_epoch.
    Predict: how many files and how many rows are there? Which numbers do the first of each have?
    """
    folder = run.folder_for("a_file_for_every_epoch")
    model, data = chapter.prepare_to_overfit(run.seed)
    for label in ("first", "again"):
        keep = [
            keras.callbacks.ModelCheckpoint(folder / "{epoch:02d}.keras"),
            keras.callbacks.CSVLogger(folder / "log.csv", append=True),
            run.progress(label),
        ]
        model.fit(**data, epochs=3, callbacks=keep)
    rows = np.genfromtxt(folder / "log.csv", delimiter=",", names=True, encoding="utf-8")
    files = sorted(int(path.stem) for path in folder.glob("*.keras"))
    apart = files[0] - rows["epoch"][0]
    run.claim("The six epochs leave", len(files), "files", exactly=3)
    run.claim("The log has", len(rows), "rows", exactly=6, numbers=len(set(rows["epoch"])))
    run.claim("The first file and the first row differ by", apart, "in their number", exactly=1)


@section.exercise(
    chapter.csv_logger,
    "7.2.1",
    "Log with TensorBoard into one directory twice",
    why="Each fit writes an event file of its own and numbers its epochs from 0; TensorBoard puts "
    "the files of a directory into one curve.",
)
def two_trainings_in_one_directory(run):
    """The callback of section 7.2.2, TensorBoard, keeps a log too. Call fit twice for three epochs,
    with two of them for the same log_dir. Predict: how many event files of the training are there,
    and how many points has the curve of its epoch_loss?
    """
    log_dir = run.log_dir("two_trainings")
    model = chapter.build_cloud_classifier()
    model.compile("rmsprop", "categorical_crossentropy")
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))
    for label in ("first", "second"):
        logger = keras.callbacks.TensorBoard(log_dir)
        model.fit(**data, epochs=3, callbacks=[logger, run.progress(label)])
    files = len(list((log_dir / "train").glob("*tfevents*")))
    points = len(board.scalars(log_dir / "train")["epoch_loss"])
    run.claim("The two trainings leave", files, "event files", exactly=2)
    run.claim("The curve of epoch_loss has", points, "points", exactly=6)


# %% 7.2.1 Callbacks: what a callback can do


@section.exercise(
    chapter.own_callbacks,
    "7.2.1",
    "Stop in the middle of an epoch",
    why="fit looks at stop_training after every batch and leaves the epoch at once; then it ends "
    "the epoch as always, with validation, and on_epoch_end sees a loss of six batches.",
)
def stopped_in_the_middle(run):
    """Set model.stop_training = True in on_train_batch_end of batch 5 (counted from 0), in an epoch
    of 19 batches. Predict: how many batches are trained? How many epochs does the history have, and
    is there a validation loss?
    """
    model = chapter.build_cloud_classifier()
    model.compile(keras.optimizers.SGD(0.03), "categorical_crossentropy")
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))

    def stop(batch, logs):
        if batch == 5:
            model.stop_training = True

    told = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    history = model.fit(**data, epochs=20, callbacks=[told, run.progress("stopped")]).history
    trained = int(model.optimizer.iterations)
    run.claim("It trains", trained, "batches", exactly=6)
    run.claim("The history has a training loss of", len(history["loss"]), "epochs", exactly=1)
    run.claim("It has a validation loss of", len(history["val_loss"]), "epochs", exactly=1)


@section.exercise(
    chapter.own_callbacks,
    "7.2.1",
    "Freeze before the first epoch",
    why="TensorFlow traces the train function when the first batch calls it. Whatever is set "
    "before that is in it; what is set later never gets there.",
)
def frozen_before_the_first_epoch(run):
    """In the lesson, trainable = False at epoch 3 did nothing until the function was traced again.
    Give Freeze(hidden, at=0, retrace=False) and Freeze(hidden, at=1, retrace=False) a new model
    each. Predict for both: how far does the kernel move in epochs 1 and 2, counted from 0?
    """
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))
    moved = {}
    for at in (0, 1):
        keras.utils.set_random_seed(run.seed)
        model = chapter.build_cloud_classifier()
        model.compile(keras.optimizers.SGD(0.03), "categorical_crossentropy")
        hidden, kernels = model.get_layer("hidden_1"), []

        def keep(epoch, logs, kernels=kernels, hidden=hidden):
            kernels.append(hidden.kernel.numpy())

        freeze = [
            callbacks.Freeze(hidden, at=at, retrace=False),
            keras.callbacks.LambdaCallback(on_epoch_end=keep),
            run.progress(f"frozen at {at}"),
        ]
        model.fit(**data, epochs=3, callbacks=freeze)
        moved[at] = np.abs(np.diff(kernels, axis=0)).max(axis=(1, 2))
    run.claim("Set before epoch 0, the kernel moves", max(moved[0]), "an epoch", exactly=0)
    run.claim("Set before epoch 1, it moves", min(moved[1]), "an epoch", at_least=0.015)


@section.exercise(
    chapter.own_callbacks,
    "7.2.1",
    "Go back, and on as fast as before",
    why="The best weights alone are no cure: the same rate jumps away from them again. The lower "
    "rate is what makes the way back useful.",
)
def back_without_slowing_down(run):
    """Train at a rate of 1.0 for ten epochs, once with BackToTheBest(path, factor=0.1) of the
    lesson, once with factor=1.0, which goes back and lowers nothing. Predict: after how many of the
    ten epochs does the second go back? By which factor is its validation loss, averaged over the
    epochs, above that of the first?
    """
    model = chapter.build_cloud_classifier()
    model.compile(keras.optimizers.SGD(1.0), "categorical_crossentropy")
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))
    rewind = training.rewinder(model, run.seed)
    folder, mean, loaded = run.folder_for("back"), {}, {}
    for factor in (0.1, 1.0):
        rewind()
        back = callbacks.BackToTheBest(folder / f"{factor}.weights.h5", factor)
        told = [back, run.progress(f"rate times {factor}")]
        mean[factor] = np.mean(model.fit(**data, epochs=10, callbacks=told).history["val_loss"])
        loaded[factor] = len(back.loaded)
    versus, sentence = {"slower": loaded[0.1]}, "As fast as before, it goes back"
    run.claim(sentence, loaded[1.0], "times", at_least=5, **versus)
    versus, unit = {"slower": mean[0.1]}, "times the slower's"
    run.claim("Its mean val loss is", mean[1.0] / mean[0.1], unit, at_least=1.05, **versus)


# %% 7.2.1 Callbacks: the progress bar is one


@section.exercise(
    chapter.progress_bar,
    "7.2.1",
    "Compile with steps_per_execution=5",
    why="The hooks are called between executions, so five batches are one step for them: 4 an "
    "epoch, the last of 4 batches. The running mean is over the same batches at the end.",
)
def five_batches_at_once(run):
    """Compile with steps_per_execution=5 and train three epochs of 19 batches. Predict: how often
    is the bar told a loss? And by how much does the last that it is told in an epoch differ from
    the loss in the history?
    """
    model, epochs = chapter.build_cloud_classifier(), 3
    model.compile("rmsprop", "categorical_crossentropy", steps_per_execution=5)
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))
    bar = callbacks.ProgressBar(run.console)
    losses = model.fit(**data, epochs=epochs, callbacks=[bar]).history["loss"]
    off = np.abs(np.reshape(bar.told, (epochs, -1))[:, -1] - losses).max()
    run.claim("In three epochs it is told", len(bar.told), "losses", exactly=3 * 4, batches=3 * 19)
    run.claim("The last told and the epoch's loss differ by", off, "loss", exactly=0)


@section.exercise(
    chapter.progress_bar,
    "7.2.1",
    "Evaluate at the end of the epoch",
    why="The loss of an epoch is a mean over batches that met different weights, the first of "
    "them untrained. It lags behind, so a validation loss below it means nothing in such an epoch.",
)
def evaluated_after_the_epoch(run):
    """Train one epoch with a rate of 0.01, then evaluate on the same 600 points. Predict: is that
    loss the one that the progress bar ended with, or by which factor is it off? Is the validation
    loss of that epoch above or below the loss on the bar?
    """
    model = chapter.build_cloud_classifier()
    model.compile(keras.optimizers.RMSprop(0.01), "categorical_crossentropy")
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))
    told = model.fit(**data, epochs=1, callbacks=[run.progress("one epoch")]).history
    after = model.evaluate(data["x"], data["y"], verbose=0)
    ratio, unit = after / told["loss"][0], "times the bar's"
    run.claim("Evaluated after the epoch, the loss is", ratio, unit, at_most=0.7)
    ratio = told["val_loss"][0] / told["loss"][0]
    run.claim("The validation loss is", ratio, unit, at_most=0.85)


# %% 7.2.1 Callbacks: the activations of every layer


@section.exercise(
    chapter.activation_logger,
    "7.2.1",
    "Log a model with Dropout",
    why="The logger calls the model with training=False, as at inference, where Dropout hands on "
    "what it gets. In the training itself, it sets the share of its rate to zero.",
)
def dropout_in_the_log(run):
    """Give the logger build_dropout_stack, with 200 vectors for a sample. Predict: of the units of
    hidden_1 that are not zero, which share does the dropout layer set to zero in the file? And
    which if the model is called with training=True?
    """
    folder = run.folder_for("dropout_in_the_log")
    samples = synthetic.vector_classes(run.seed, train=200, test=200)
    vectors = samples.test["vector"]
    model = chapter.build_dropout_stack()
    model.compile("rmsprop", "categorical_crossentropy")
    logger = chapter.ActivationLogger(vectors, folder)
    told = [logger, run.progress("activation logger")]
    model.fit(samples.train["vector"], samples.train_targets, verbose=0, callbacks=told)

    def dropped(hidden, dropout):
        return np.mean(dropout[hidden > 0] == 0)

    logged = probes.logged_activations(folder)
    in_training = dict(zip(logged, logger.activations_model([vectors], training=True), strict=True))
    shares = {
        arm: dropped(*(np.asarray(arrays[name]) for name in ("hidden_1", "dropout")))
        for arm, arrays in {"file": logged, "training": in_training}.items()
    }
    unit = "of the active"
    run.claim("In the file, dropout sets to zero", shares["file"], unit, exactly=0)
    sentence = "Called as in training, it sets to zero"
    run.claim(sentence, shares["training"], unit, at_least=0.27, at_most=0.33)


@section.exercise(
    chapter.activation_logger,
    "7.2.1",
    "Use one layer twice",
    why="layer.output is what a layer gave in its first call, and these layers were first called "
    "in the classifier that they come from. Keras does not warn: in the file is another model.",
)
def a_layer_used_twice(run):
    """Glue a second model from the layers of the cloud classifier, which calls hidden_2 twice, the
    second time on its own output: cloud(hidden(hidden.output)). Predict: how many parameters more
    has it, of how many layers are there arrays in a file of the logger, and by how much does the
    array "cloud" differ from what the model says?
    """
    folder = run.folder_for("a_layer_used_twice")
    plain = chapter.build_cloud_classifier()
    hidden, cloud = plain.get_layer("hidden_2"), plain.get_layer("cloud")
    twice = keras.Model(plain.input, cloud(hidden(hidden.output)))
    twice.compile(keras.optimizers.RMSprop(0.005), "categorical_crossentropy")
    points = synthetic.clusters(run.seed, train=600, test=500)
    sample = points.test["features"]
    logger = chapter.ActivationLogger(sample, folder)
    twice.fit(**training.feed(points), epochs=2, callbacks=[logger, run.progress("twice")])
    with np.load(folder / "activations_at_epoch_1.npz") as file:
        logged = dict(file)
    apart = np.abs(logged["cloud"] - twice(sample, training=False).numpy()).max()
    more = twice.count_params() - plain.count_params()
    run.claim("The glued model has more", more, "parameters", exactly=0)
    run.claim("A file has arrays of", len(logged), "layers", exactly=4)
    run.claim('"cloud" and what the model says differ by', apart, "probability", at_least=0.9)


@section.exercise(
    chapter.activation_logger,
    "7.2.1",
    "Log a Sequential without an Input",
    why="Without an Input its layers are connected when data arrives, and fit gives the model to "
    "its callbacks before that. An Input connects them at once, and is no layer of a Sequential.",
)
def a_sequential_never_called(run):
    """Write the classifier as a keras.Sequential of three Dense layers, once without an Input and
    once with keras.Input((16,)) as the first entry. Predict: which of the two does the logger take,
    and of how many layers are there arrays in its file: four, as in the lesson?
    """
    points = synthetic.clusters(run.seed, train=64, test=64)
    sample, refusal = points.test["features"][:1], ""
    folder = run.folder_for("a_sequential_never_called")
    for entries in ([], [keras.Input((16,))]):
        model = keras.Sequential(
            [
                *entries,
                layers.Dense(64, activation="relu", name="hidden_1"),
                layers.Dense(64, activation="relu", name="hidden_2"),
                layers.Dense(8, activation="softmax", name="cloud"),
            ]
        )
        model.compile("rmsprop", "categorical_crossentropy")
        logger = chapter.ActivationLogger(sample, folder)
        try:
            model.fit(**training.feed(points), callbacks=[logger])
        except AttributeError as error:
            refusal = str(error)
            run.quote(refusal)
    files = len(list(folder.iterdir()))
    run.claim("Without an Input it is refused", "no defined output" in refusal, "times", exactly=1)
    run.claim("With and without, one epoch leaves", files, "files", exactly=1)
    logged = probes.logged_activations(folder)
    run.claim("The file has arrays of", len(logged), "layers", exactly=3)


# %% 7.2.1 Callbacks: BackupAndRestore


def without_dropout(stack):
    """The dropout stack, its layers glued together without the dropout."""
    x = stack.get_layer("hidden_1").output
    for name in ("hidden_2", "class"):
        x = stack.get_layer(name)(x)
    return keras.Model(stack.input, x)


def train_with_keras_backup(run, model, folder, epochs=4, cut=None):
    """Train with Keras's callback, and break off before the epoch `cut`; returns the losses."""

    def break_off(epoch, logs):
        if epoch == cut:
            raise InterruptedError

    samples = synthetic.vector_classes(run.seed)
    model.compile("rmsprop", "categorical_crossentropy")
    keras.utils.set_random_seed(run.seed)
    watched = [
        keras.callbacks.BackupAndRestore(folder),
        keras.callbacks.LambdaCallback(on_epoch_begin=break_off),
    ]
    with contextlib.suppress(InterruptedError):
        model.fit(
            samples.train["vector"], samples.train_targets, epochs=epochs, batch_size=50,
            verbose=0, callbacks=watched,
        )  # fmt: skip
    return model.history.history["loss"]


@section.exercise(
    chapter.backup_and_restore,
    "7.2.1",
    "Use Keras's BackupAndRestore",
    why="Keras's file has the weights and the optimizer; the state of the random numbers that "
    "Dropout draws from is not in it. Without Dropout nothing is missing.",
)
def the_backup_of_keras(run):
    """Break a training off before its third epoch of four and go on with Keras's own
    BackupAndRestore, for the dropout stack and for the same stack without its Dropout. Predict for
    both: by how much do the last two losses differ from those of a training not broken off?
    """
    apart = {}
    for arm, change in {"with": lambda stack: stack, "without": without_dropout}.items():
        losses = {}
        for name, cuts in {"undisturbed": [None], "resumed": [2, None]}.items():
            folder = run.folder_for(f"{name}_{arm}_dropout")
            for cut in cuts:  # a new model each time, as in a process that is started again
                keras.utils.set_random_seed(run.seed)
                model = change(chapter.build_dropout_stack())
                losses[name] = train_with_keras_backup(run, model, folder, cut=cut)
        apart[arm] = np.abs(np.subtract(losses["undisturbed"][2:], losses["resumed"])).max()
    run.claim("With Dropout, the losses differ by up to", apart["with"], "loss", at_least=0.005)
    run.claim("Without Dropout, they differ by", apart["without"], "loss", exactly=0)


@section.exercise(
    chapter.backup_and_restore,
    "7.2.1",
    "Run a finished training again, with another seed",
    why="The file is still there: all epochs are done, and the new seed's weights are overwritten "
    "before they do anything. One file is for one training.",
)
def a_finished_training_run_again(run):
    """Let train_with_backup train to its end, and call it again with the same folder and seed + 1.
    Predict: how many epochs does the second call train? And by how much do the two models differ?
    """
    folder = run.folder_for("finished")
    first = chapter.train_with_backup(run.seed, folder, run.progress("seed"))
    second = chapter.train_with_backup(run.seed + 1, folder, run.progress("seed + 1"))
    anew = chapter.train_with_backup(run.seed + 1, run.folder_for("anew"), run.progress("anew"))

    def difference(model):
        pairs = zip(first.get_weights(), model.get_weights(), strict=True)
        return max(np.abs(one - other).max() for one, other in pairs)

    versus = {"new_folder": len(anew.history.epoch)}
    run.claim("The second call trains", len(second.history.epoch), "epochs", exactly=0, **versus)
    versus = {"new_folder": difference(anew)}
    run.claim("The models differ by", difference(second), "weight", exactly=0, **versus)


# %% 7.2.2 TensorBoard: the text classifier


@section.exercise(
    chapter.text_classifier,
    "7.2.2",
    "Make the reviews as short as the model can read",
    why="conv_1 takes 6 words off, the pool divides by 5 and conv_2 needs 7 places: 6 + 5 * 7 is "
    "41. The weights are shared by all places, so none depends on the length.",
)
def the_shortest_review(run):
    """Work out by hand the smallest max_len with which build_text_classifier can be built: two
    convolutions of 7 with a pool of 5 between them. How many parameters has that model, of the
    291,937 that it has at 500? What does Keras say of a word less?
    """
    built, refusal = {}, ""
    for length in range(60, 0, -1):
        try:
            built[length] = chapter.build_text_classifier(max_len=length).count_params()
        except ValueError as error:
            refusal = str(error)
            run.quote(refusal)
            break
    shortest = min(built)
    run.claim("The shortest review that it reads has", shortest, "words", exactly=41)
    run.claim("The model then has", built[shortest], "parameters", exactly=291_937)
    run.claim("A word less is refused", bool(refusal), "times", exactly=1)


@section.exercise(
    chapter.text_classifier,
    "7.2.2",
    "Shuffle the words of the test reviews",
    why="Each word of these reviews is drawn alone, so their order says nothing, and "
    "GlobalMaxPooling1D asks only whether a pattern is anywhere. Real reviews have a grammar.",
)
def words_in_another_order(run):
    """Train on reviews of up to 120 words, the padding in front. Test on the test reviews, on the
    same read backwards, and with their words shuffled behind the padding. A convolution of 7 words
    sees an order. Predict: by how much does the accuracy change with each of the two?
    """
    reviews = synthetic.reviews(run.seed, length=120)
    model = chapter.build_text_classifier(max_len=120)
    optimizer = keras.optimizers.RMSprop(0.001)
    run.train({"reader": model}, reviews, "binary_crossentropy", optimizer, epochs=4, batch_size=32)
    words, rng = reviews.test["review"], np.random.default_rng(run.seed)
    everywhere = rng.permuted(words, axis=1)
    # A stable sort by "is it a word" takes the padding back to the front and leaves the words.
    in_order = np.argsort(everywhere != 0, axis=1, kind="stable")
    orders = {
        "as_written": words,
        "backwards": words[:, ::-1],
        "shuffled": np.take_along_axis(everywhere, in_order, axis=1),
    }
    reached = {
        order: scores.accuracy(model(given, training=False).numpy(), reviews.test_targets)
        for order, given in orders.items()
    }
    versus = {"as_written": reached["as_written"]}
    changed = {order: abs(reached["as_written"] - reached[order]) for order in orders}
    sentence = "Read backwards, the accuracy changes by"
    run.claim(sentence, changed["backwards"], "accuracy", at_most=0.02, **versus)
    sentence = "With the words shuffled, it changes by"
    run.claim(sentence, changed["shuffled"], "accuracy", at_most=0.04, **versus)


@section.exercise(
    chapter.text_classifier,
    "7.2.2",
    "Freeze the embedding as it starts",
    why="Random vectors have no sides: the convolutions have to tell 500 opinions apart by 128 "
    "numbers each. Given more epochs, they know the training reviews by heart, new ones less well.",
)
def a_frozen_embedding(run):
    """Set trainable = False on the layer "embed" before training, so that the words keep their
    random vectors. Predict: how many of the 291,937 parameters are still trained, and how much
    accuracy does that cost after four epochs?
    """
    reviews = synthetic.reviews(run.seed, length=120)
    arms = {name: chapter.build_text_classifier(max_len=120) for name in ("trained", "frozen")}
    arms["frozen"].get_layer("embed").trainable = False
    optimizer = keras.optimizers.RMSprop(0.001)
    told = run.train(arms, reviews, "binary_crossentropy", optimizer, epochs=4, batch_size=32)
    reached = {arm: scores.accuracy(told[arm], reviews.test_targets) for arm in arms}
    left = sum(weight.shape.num_elements() for weight in arms["frozen"].trainable_weights)
    cost, versus = reached["trained"] - reached["frozen"], {"trained": reached["trained"]}
    run.claim("Frozen, it trains", left, "parameters", exactly=291_937 - 2000 * 128)
    run.claim("To freeze the words costs", cost, "accuracy", at_least=0.25, **versus)


# %% 7.2.2 TensorBoard: the clinic


@section.exercise(
    chapter.the_clinic,
    "7.2.2",
    "How many sigmoids does it take",
    why="A sigmoid's slope is at most 1/4, and the weights of he_normal make up for a factor of "
    "1.4: a third arrives for each layer. A residual connection leads past them all.",
)
def how_many_sigmoids_it_takes(run):
    """Build the patient "vanishing" with 1, 2, 3 ... sigmoid layers, and do not train it. Predict:
    from how many layers on does less than a hundredth of the gradient at the last of them arrive
    before the first? And which share arrives with eight, each with a residual connection around it?
    """
    reviews = synthetic.reviews(run.seed, train=64, test=64, length=120)
    sample = reviews.train["review"], reviews.train_targets
    arriving = {}
    for depth in range(1, 9):
        model = chapter.build_text_classifier(
            max_len=120, hidden_layers=depth, hidden_activation="sigmoid"
        )
        names = "any_place", f"hidden_{depth}"
        arriving[depth] = probes.gradient_ratio(model, names, *sample)
    x = model.get_layer("any_place").output
    for depth in range(1, 9):
        x = layers.add([x, model.get_layer(f"hidden_{depth}")(x)], name=f"sum_{depth}")
    residual = keras.Model(model.input, model.get_layer("sentiment")(x))
    kept = probes.gradient_ratio(residual, ("any_place", "sum_8"), *sample)
    needed = min((depth for depth, share in arriving.items() if share < 0.01), default=np.inf)
    run.claim("Below a hundredth from a depth of", needed, "layers", at_least=3, at_most=6)
    versus = {"without": arriving[8]}
    run.claim("With residual connections, eight let", kept, "through", at_least=0.7, **versus)


@section.exercise(
    chapter.the_clinic,
    "7.2.2",
    "Count the weights that a dead network moves",
    why="conv_1 gives 0, so conv_2 sees nothing and its bias of -1 kills it too: all that reaches "
    "the last layer is 0. Only its own bias is still heard, and learns how many reviews are good.",
)
def weights_that_still_move(run):
    """Train the patient "dead_relus", whose convolutions start with a bias of -1, for an epoch.
    It has seven weights: those of the embedding and the kernels and biases of three layers.
    Predict: how many of them move at all, and how many distinct probabilities does it give?
    """
    reviews = synthetic.reviews(run.seed, length=120)
    moving = {}
    for name in ("healthy", "dead_relus"):
        model = chapter.build_text_classifier(max_len=120, **chapter.PATIENTS[name])
        before = model.get_weights()
        optimizer = keras.optimizers.RMSprop(0.001)
        arms = {name: model}
        told = run.train(arms, reviews, "binary_crossentropy", optimizer, epochs=1, batch_size=32)
        pairs = zip(before, model.get_weights(), strict=True)
        moving[name] = sum(bool(np.any(one != other)) for one, other in pairs)
    versus, given = {"healthy": moving["healthy"]}, len(np.unique(told["dead_relus"]))
    run.claim("Of seven weights there move", moving["dead_relus"], "weights", exactly=1, **versus)
    run.claim("For 400 reviews it gives", given, "probabilities", exactly=1)


@section.exercise(
    chapter.the_clinic,
    "7.2.2",
    "Cure the missing sigmoid in the loss",
    why="from_logits=True puts the sigmoid into the loss, where its gradient is the same. The "
    "outputs stay without it: half is where they are 0, not where they are 0.5.",
)
def the_sigmoid_in_the_loss(run):
    """Leave the patient "no_sigmoid" as it is, and train it with
    keras.losses.BinaryCrossentropy(from_logits=True). Predict: which accuracy does it reach, an
    output above 0 being a yes? And how many of its outputs are no probabilities?
    """
    reviews = synthetic.reviews(run.seed, length=120)
    words, verdicts = reviews.test["review"], reviews.test_targets
    with_logits = keras.losses.BinaryCrossentropy(from_logits=True)
    outputs = {}
    for arm, (last, loss) in {
        "healthy": ("sigmoid", "binary_crossentropy"),
        "from_logits": (None, with_logits),
    }.items():
        keras.utils.set_random_seed(run.seed)
        model = chapter.build_text_classifier(max_len=120, last_activation=last)
        model.compile(keras.optimizers.RMSprop(0.001), loss)
        model.fit(
            reviews.train["review"], reviews.train_targets, epochs=4, verbose=0,
            callbacks=[run.progress(arm.replace("_", " "))],
        )  # fmt: skip
        outputs[arm] = model(words, training=False).numpy()
    logits = outputs["from_logits"]
    outside = np.mean((logits < 0) | (logits > 1))
    reached = {
        "healthy": scores.accuracy(outputs["healthy"], verdicts),
        "from_logits": scores.accuracy((logits > 0).astype("float32"), verdicts),
    }
    apart = abs(reached["from_logits"] - reached["healthy"])
    versus = {"reached": reached["from_logits"]}
    run.claim("With or without, the accuracy differs by", apart, "accuracy", at_most=0.01, **versus)
    run.claim("Its outputs below 0 or above 1", outside, "of the outputs", at_least=0.95)


if __name__ == "__main__":
    section.main()
