"""Section 7.2 of "Deep Learning with Python": callbacks and TensorBoard.

Run it without arguments for the whole section, with `7.2.1` or `7.2.2` for a part of it, with
`--list` for what there is. A lesson is what the book prints, then an experiment that measures what
it does. What is logged for TensorBoard lies in ch07/my_log_dir, a directory for each training;
`--board` opens TensorBoard on it, `--imdb` trains on the real reviews.

`# Book:` marks where the code differs from print, and why (A1 to B21 number the known differences).
What the book prints is in this file; the callbacks that it only describes are in ch07/callbacks.py,
ch07/backup.py and ch07/board.py.
"""

from __future__ import annotations

from ch07 import lab  # first: it checks the installation

# isort: split
import contextlib
import dataclasses
import io
import math
import re

import keras
import numpy as np
from keras import layers

from ch07 import (
    backup,
    board,
    callbacks,
    checks,
    clinic,
    figures,
    imdb,
    probes,
    rules,
    scores,
    synthetic,
    training,
)

section = lab.Section("7.2", "Callbacks and TensorBoard", folders=["my_log_dir", "my_trainings"])


# %% 7.2.1 Callbacks: stop early and keep the best model


def build_cloud_classifier(features=16, classes=8, units=64):
    """In which of some clouds a point lies: (batch, features) to (batch, classes)."""
    point = keras.Input((features,), name="features")
    x = layers.Dense(units, activation="relu", name="hidden_1")(point)
    x = layers.Dense(units, activation="relu", name="hidden_2")(x)
    cloud = layers.Dense(classes, activation="softmax", name="cloud")(x)
    return keras.Model(point, cloud, name="cloud_classifier")


def prepare_to_overfit(seed):
    """A classifier, compiled, and what `fit` takes: clouds that overlap, and few points of each.

    The points are soon learned by heart, and the validation loss rises.
    """
    model = build_cloud_classifier(features=6)
    model.compile(keras.optimizers.RMSprop(0.01), "categorical_crossentropy", metrics=["accuracy"])
    return model, training.feed(synthetic.clusters(seed, train=200, test=500, features=6))


def build_callbacks_list(path, monitor="val_accuracy", patience=2):
    """The book's list: stop when the accuracy stops improving, keep the model of the best loss."""
    return [
        keras.callbacks.EarlyStopping(
            monitor=monitor,  # Book: "acc", the training accuracy; its comment means this (A13)
            patience=patience,  # Book: 1, which waits for one epoch and not for two (A14)
        ),
        keras.callbacks.ModelCheckpoint(
            filepath=path,  # Book: "my_model.h5", a format that Keras calls legacy (B9)
            monitor="val_loss",
            save_best_only=True,
        ),
    ]


@section.lesson("7.2.1", "Callbacks: stop early and keep the best model")
def early_stopping(run):
    """EarlyStopping stops by its rule; the file holds the best epoch of the history, to the bit."""
    folder, epochs = run.folder_for("early_stopping"), 20
    model, data = prepare_to_overfit(run.seed)
    rewind = training.rewinder(model, run.seed)
    to_the_end = model.fit(**data, epochs=epochs, callbacks=[run.progress("to the end")]).history

    rewind()
    callbacks_list = build_callbacks_list(folder / "my_model.keras")
    # It stops nothing itself; the best weights come back whoever ends the training.
    restore = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    callbacks_list += [restore, run.progress("stopped early")]
    stopped = model.fit(**data, epochs=epochs, callbacks=callbacks_list).history
    reloaded = keras.saving.load_model(folder / "my_model.keras")
    pairs = zip(model.get_weights(), reloaded.get_weights(), strict=True)
    apart = max(np.abs(restored - saved).max() for restored, saved in pairs)
    best, loss = min(stopped["val_loss"]), training.validation_loss(reloaded, data)

    rewind()
    callbacks_list = build_callbacks_list(folder / "as_printed.keras", "accuracy", patience=1)
    callbacks_list.append(run.progress("stopped as printed"))
    printed = model.fit(**data, epochs=epochs, callbacks=callbacks_list).history
    refusal = ""
    try:  # Book: one name for the metric everywhere (B8)
        model.fit(**data, callbacks=build_callbacks_list(folder / "refused.keras", "acc"))
    except ValueError as error:
        refusal = str(error)
        run.quote(refusal)

    ended, waited = len(stopped["loss"]), rules.waited(stopped["val_accuracy"])
    off = abs(ended - rules.epochs_until_stop(to_the_end["val_accuracy"], patience=2))
    rise = to_the_end["val_loss"][-1] / min(to_the_end["val_loss"])
    refused, versus = "monitor=acc" in refusal, {"as_printed": rules.waited(printed["accuracy"])}
    run.claim("It stops when nothing was gained for", waited, "epochs", exactly=2, **versus)
    run.claim("It stops off the epoch of its rule by", off, "epochs", exactly=0)
    run.claim("Not stopped, the val loss ends at", rise, "times its best", at_least=1.2)
    versus, unit = {"last_epoch": stopped["val_loss"][-1] - best}, "val loss"
    run.claim("The file and the best epoch differ by", abs(loss - best), unit, at_most=0, **versus)
    run.claim("Weights restored and in the file differ by", apart, "weight", at_most=0)
    run.claim("'acc' for a metric 'accuracy' is refused", refused, "times", exactly=1)
    marks = {"best, in the file": stopped["val_loss"].index(best) + 1, "stopped": ended}
    marks["stopped as printed"] = len(printed["loss"])
    run.picture(figures.early_stopping(to_the_end, marks))


# %% 7.2.1 Callbacks: the learning rate


def build_learning_rate_callback(patience=2):
    """The book's callback for a validation loss that has stopped improving."""
    return keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss",
        factor=0.1,
        patience=patience,  # Book: 10, which can never fire within its 10 epochs (A15)
    )


def halve_every_third_epoch(epoch, rate):
    """The learning rate of `epoch`, from that of the epoch before it."""
    return rate / 2 if epoch > 0 and epoch % 3 == 0 else rate


@section.lesson("7.2.1", "Callbacks: the learning rate")
def learning_rates(run):
    """The rate of every epoch is what the callback's rule gives; on a plateau, less is better."""
    model, start, epochs = build_cloud_classifier(), 0.03, 10
    model.compile(keras.optimizers.RMSprop(start), "categorical_crossentropy")
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))
    rewind = training.rewinder(model, run.seed)
    losses, rates = {}, {}
    for arm, callback in {
        "constant": keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate),
        "scheduled": keras.callbacks.LearningRateScheduler(halve_every_third_epoch),
        "plateau": build_learning_rate_callback(),
        "as printed": build_learning_rate_callback(patience=10),
    }.items():
        rewind()
        history = model.fit(**data, epochs=epochs, callbacks=[callback, run.progress(arm)]).history
        losses[arm], rates[arm] = history["val_loss"], history["learning_rate"]  # Book: "lr" (B18)

    by_rule = {
        "scheduled": np.float32(start) * 0.5 ** (np.arange(epochs) // 3),
        "plateau": rules.plateau_rates(losses["plateau"], start, factor=0.1, patience=2),
    }
    off = {arm: np.abs(rates[arm] - rule).max() for arm, rule in by_rule.items()}
    fired = {arm: np.count_nonzero(np.diff(rate)) for arm, rate in rates.items()}
    ratio = losses["plateau"][-1] / losses["constant"][-1]
    versus = {"as_printed": fired["as printed"]}
    run.claim("LearningRateScheduler is off its rule by", off["scheduled"], "rate", at_most=0)
    run.claim("ReduceLROnPlateau is off its rule by", off["plateau"], "rate", at_most=0)
    run.claim("It fires in ten epochs", fired["plateau"], "times", at_least=1, **versus)
    versus = {"with": losses["plateau"][-1], "without": losses["constant"][-1]}
    sentence = "Reduced on a plateau, the val loss ends at"
    run.claim(sentence, ratio, "with/without", at_most=0.85, **versus)
    run.picture(figures.learning_rates(rates, losses))


# %% 7.2.1 Callbacks: a log of every epoch, and what resuming loses


@section.lesson("7.2.1", "Callbacks: a log of every epoch, and what resuming loses")
def csv_logger(run):
    """A log resumed by append loses no epoch; a checkpoint resumed carelessly loses the best."""
    folder, cut, epochs = run.folder_for("csv_logger"), 12, 16
    model, data = prepare_to_overfit(run.seed)
    best_only = {"monitor": "val_loss", "save_best_only": True}

    def made_anew(label, append, best):
        """The callbacks of a program that is started again."""
        careful, careless = folder / "careful.keras", folder / "careless.keras"
        return [
            # After callbacks that add to what is logged, as those of the rate do: before them, it
            # would miss their column.
            keras.callbacks.CSVLogger(folder / "appended.csv", append=append),
            keras.callbacks.CSVLogger(folder / "overwritten.csv"),
            keras.callbacks.ModelCheckpoint(careful, initial_value_threshold=best, **best_only),
            # The first epoch that it sees is its best so far, and is saved (keras issue 17012).
            keras.callbacks.ModelCheckpoint(careless, **best_only),
            run.progress(label),
        ]

    first = model.fit(**data, epochs=cut, callbacks=made_anew("cut off", False, None)).history
    best = min(first["val_loss"])
    resumed = made_anew("resumed", True, best)
    second = model.fit(**data, initial_epoch=cut, epochs=epochs, callbacks=resumed).history
    rows, overwritten = (
        np.genfromtxt(folder / name, delimiter=",", names=True, encoding="utf-8")
        for name in ("appended.csv", "overwritten.csv")
    )
    off = np.max([np.abs(rows[name] - (first[name] + second[name])) for name in first])
    kept = {}
    for name in ("careful", "careless"):
        model.load_weights(folder / f"{name}.keras")
        kept[name] = training.validation_loss(model, data)

    versus, unit = {"without_append": len(overwritten)}, "val loss"
    run.claim("The log of 16 epochs, resumed, has", len(rows), "rows", exactly=epochs, **versus)
    run.claim("The log and the history differ by", off, "in any value", at_most=0)
    lost = {name: loss - best for name, loss in kept.items()}
    run.claim("Resumed with a threshold, the file loses", lost["careful"], unit, exactly=0)
    run.claim("Resumed without, the file loses", lost["careless"], unit, at_least=0.03, best=best)
    run.picture(figures.csv_logger(rows, cut, kept))


# %% 7.2.1 Callbacks: what a callback can do


@section.lesson("7.2.1", "Callbacks: what a callback can do")
def own_callbacks(run):
    """A callback interrupts, saves, loads and changes the rate; to freeze takes one call more."""
    model, folder = build_cloud_classifier(), run.folder_for("own_callbacks")
    model.compile(keras.optimizers.SGD(0.03), "categorical_crossentropy", metrics=["accuracy"])
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))
    rewind = training.rewinder(model, run.seed)
    stop = [callbacks.StopAt("val_accuracy", 0.85), run.progress("until it is good enough")]
    accuracy = model.fit(**data, epochs=20, callbacks=stop).history["val_accuracy"]

    back, losses = callbacks.BackToTheBest(folder / "best.weights.h5"), {}
    for arm, more in {"without": [], "with": [back]}.items():
        rewind()
        model.optimizer.learning_rate = 1.0  # too fast for all but the first epochs
        more.append(run.progress(f"too fast, {arm} a way back"))
        losses[arm] = model.fit(**data, epochs=10, callbacks=more).history["val_loss"]
    worse = training.validation_loss(model, data) - min(losses["with"])

    rewind()
    hidden, kernels = model.get_layer("hidden_1"), []
    freeze = [
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: kernels.append(hidden.kernel.numpy())
        ),
        callbacks.Freeze(hidden, at=3, retrace=False),
        callbacks.Freeze(hidden, at=6),
        run.progress("frozen on the way"),
    ]
    model.fit(**data, epochs=9, callbacks=freeze)
    kernels.append(hidden.kernel.numpy())
    moved = np.abs(np.diff(kernels, axis=0)).max(axis=(1, 2))  # by epoch

    reached = sum(value >= 0.85 for value in accuracy)
    versus = {"val_accuracy": accuracy[-1]}
    run.claim("Stopped at 0.85, it was reached in", reached, "epochs", exactly=1, **versus)
    run.claim("Too fast, the best weights are loaded", len(back.loaded), "times", at_least=1)
    versus = {"without": losses["without"][-1] - min(losses["without"])}
    run.claim("At the end it is off its best epoch by", worse, "val loss", exactly=0, **versus)
    unit = "an epoch"
    run.claim("With trainable = False alone, a kernel moves", min(moved[3:6]), unit, at_least=0.005)
    run.claim("With the function traced again, it moves", max(moved[6:]), unit, at_most=0)
    run.picture(figures.own_callbacks(losses, back.loaded, moved))


# %% 7.2.1 Callbacks: the progress bar is one


@section.lesson("7.2.1", "Callbacks: the progress bar is one")
def progress_bar(run):
    """Keras's progress bar is a callback, and one of a few lines shows the same numbers."""
    model, epochs = build_cloud_classifier(), 3
    model.compile("rmsprop", "categorical_crossentropy")
    data = training.feed(synthetic.clusters(run.seed, train=600, test=500))
    rewind = training.rewinder(model, run.seed)
    own = callbacks.ProgressBar(run.console)
    losses = model.fit(**data, epochs=epochs, callbacks=[own]).history["loss"]

    rewind()
    data["verbose"] = 1
    # Caught, since it draws with characters and colour codes that not every console has.
    with contextlib.redirect_stdout(io.StringIO()) as caught:
        model.fit(**data, epochs=epochs, callbacks=[keras.callbacks.ProgbarLogger()])
    bars = caught.getvalue().split("Epoch ")[1:]
    shown = [float(re.findall(r" - loss: ([\d.e+-]+)", bar)[-1]) for bar in bars]

    told = np.reshape(own.told, (epochs, -1))  # (epochs, batches)
    off, mean = np.abs(told[:, -1] - shown).max(), np.abs(told[:, -1] - losses).max()
    run.claim("In three epochs, the own bar is told of", told.size, "batches", exactly=3 * 19)
    run.claim(
        "Given as a callback, Keras's bar is drawn", len(bars) / epochs, "times an epoch", exactly=1
    )
    # Keras shows four digits behind the point.
    run.claim("The two bars differ at the end of an epoch by", off, "loss", at_most=0.000051)
    run.claim("The last told and the epoch's loss differ by", mean, "loss", at_most=0)
    run.picture(figures.progress_bar(own.told, losses))


# %% 7.2.1 Callbacks: the activations of every layer


class ActivationLogger(keras.callbacks.Callback):
    """The book's callback: what every layer gives for one sample, in a file for each epoch.

    sample: (1, ...), for a model with one input. folder: gets activations_at_epoch_0.npz and so on.
    """

    def __init__(self, sample, folder):
        super().__init__()
        self.sample = sample  # Book: self.validation_data, which Keras no longer sets (B1)
        self.folder = folder

    def set_model(self, model):
        super().set_model(model)  # Book: self.model = model, which Keras no longer allows (B1)
        layer_outputs = [layer.output for layer in model.layers]
        # Book: model.input, which a Sequential that was never called does not have.
        self.activations_model = keras.Model(model.inputs, layer_outputs)

    def on_epoch_end(self, epoch, logs=None):
        activations = self.activations_model([self.sample], training=False)
        # Book: one list of arrays of all shapes, which NumPy refuses (B1), into a file that was
        # opened as text (A16). By name, they are read without pickle.
        names = (layer.name for layer in self.model.layers)
        arrays = {name: array.numpy() for name, array in zip(names, activations, strict=True)}
        np.savez(self.folder / f"activations_at_epoch_{epoch}.npz", **arrays)


@section.lesson("7.2.1", "Callbacks: the activations of every layer")
def activation_logger(run):
    """The book's ActivationLogger, mended: a file an epoch, equal to the layers, without pickle."""
    model, folder = build_cloud_classifier(units=24), run.folder_for("activation_logger")
    model.compile(keras.optimizers.RMSprop(0.005), "categorical_crossentropy")
    points = synthetic.clusters(run.seed, train=600, test=500)
    sample, target = points.test["features"][:1], points.test_targets[0]
    logger = [ActivationLogger(sample, folder), run.progress("activation logger")]
    model.fit(**training.feed(points), epochs=12, callbacks=logger)

    logged = probes.logged_activations(folder)  # by layer, (epochs, units)
    expected = probes.layer_by_layer(model, sample)
    off = max(np.abs(logged[name][-1:] - values).max() for name, values in expected.items())
    change = min(np.abs(logged[name][-1] - logged[name][0]).max() for name in expected)
    files = len(list(folder.iterdir()))
    run.claim("Twelve epochs leave", files, "files", exactly=12)
    run.claim("Each has, without pickle, arrays of", len(logged), "layers", exactly=4)
    run.claim("The last file and the layers differ by", off, "activation", at_most=0)
    run.claim("From first to last, every layer changes by", change, "activation", at_least=0.1)
    over_epochs = {name: logged[name] for name in expected}
    run.picture(figures.activation_logger(over_epochs, int(target.argmax())))


# %% 7.2.1 Callbacks: BackupAndRestore

EPOCHS, BATCHES = 8, 20
KILLED_IN = {"epoch": 5, "batch": 9}  # counted from 0: in the middle of the sixth epoch


def build_dropout_stack():
    """The stack of section 7.1.1 with Dropout: (batch, 64) to (batch, 10), 3,466 parameters."""
    vector_input = keras.Input((64,), name="vector")
    x = layers.Dense(32, activation="relu", name="hidden_1")(vector_input)
    x = layers.Dropout(0.3, name="dropout")(x)  # its masks are part of what has to go on
    x = layers.Dense(32, activation="relu", name="hidden_2")(x)
    label = layers.Dense(10, activation="softmax", name="class")(x)
    return keras.Model(vector_input, label, name="dropout_stack")


def train_with_backup(seed, folder, *callbacks):
    """What a reader would run again after a crash: it goes on where the backup is.

    Returns the model, whose history has the epochs that were trained this time.
    """
    keras.utils.set_random_seed(seed)
    samples = synthetic.vector_classes(seed)
    vectors, labels = samples.train["vector"], samples.train_targets
    model = build_dropout_stack()
    model.compile("rmsprop", "categorical_crossentropy")
    saved = backup.Backup(folder / "backup.npz")
    model.fit(
        vectors, labels, initial_epoch=saved.restore(model), epochs=EPOCHS,
        batch_size=len(vectors) // BATCHES, verbose=0, callbacks=[saved, *callbacks],
    )  # fmt: skip
    return model


@section.lesson("7.2.1", "Callbacks: going on after a crash")
def backup_and_restore(run):
    """Killed in the middle of an epoch, a training goes on as if nothing had happened."""
    folder = run.folder_for("killed")
    with backup.doomed(train_with_backup, run.seed, folder, **KILLED_IN) as kill:
        # Meanwhile the process to be killed imports Keras.
        undisturbed = train_with_backup(
            run.seed, run.folder_for("undisturbed"), run.progress("undisturbed")
        )
        killed = kill()
    resumed = train_with_backup(run.seed, folder, run.progress("killed in epoch 6, resumed"))

    losses = {
        "undisturbed": undisturbed.history.history["loss"],
        "killed": list(killed.values()),
        "resumed": resumed.history.history["loss"],
    }
    killed_after = len(killed) + (KILLED_IN["batch"] + 1) / BATCHES
    twice = killed_after + len(losses["resumed"]) - EPOCHS
    weights = zip(undisturbed.get_weights(), resumed.get_weights(), strict=True)
    difference = max(np.abs(one - other).max() for one, other in weights)
    apart = np.subtract(losses["undisturbed"], losses["killed"] + losses["resumed"])

    run.claim("Killed in an epoch, it trains again", twice, "epochs", at_least=0, at_most=1)
    run.claim("Epoch by epoch, the losses differ by", np.abs(apart).max(), "loss", exactly=0)
    run.claim("In the end, the weights differ by", difference, "weight", exactly=0)
    run.picture(figures.backup_and_restore(losses, killed_after))


# %% 7.2.2 TensorBoard: the text classifier (listings 7.7 to 7.9)


def build_text_classifier(
    max_features=2000,
    max_len=500,
    hidden_layers=0,
    hidden_activation="relu",
    bias=0.0,
    last_activation="sigmoid",
):
    """Listing 7.7: whether a review is good; 291,937 parameters.

    review: (batch, max_len) int32. sentiment: (batch, 1), probability. The other arguments make the
    patients of the clinic: Dense layers before the last one, the bias that the convolutions start
    with, and with `last_activation` None the listing as printed.
    """
    # Book: input_length=max_len, of which Keras 3 warns, and which leaves the model unbuilt (B2).
    review = keras.Input((max_len,), dtype="int32", name="review")
    x = layers.Embedding(max_features, 128, name="embed")(review)  # (batch, max_len, 128)
    start = keras.initializers.Constant(bias)
    x = layers.Conv1D(32, 7, activation="relu", bias_initializer=start, name="conv_1")(x)
    x = layers.MaxPooling1D(5, name="pool")(x)
    x = layers.Conv1D(32, 7, activation="relu", bias_initializer=start, name="conv_2")(x)
    x = layers.GlobalMaxPooling1D(name="any_place")(x)  # (batch, 32)
    for n in range(checks.whole(0, hidden_layers=hidden_layers)):
        hidden = {"activation": hidden_activation, "kernel_initializer": "he_normal"}
        x = layers.Dense(32, name=f"hidden_{n + 1}", **hidden)(x)
    # Book: Dense(1), without the sigmoid that makes it a probability (A1).
    sentiment = layers.Dense(1, activation=last_activation, name="sentiment")(x)
    return keras.Model(review, sentiment, name="text_classifier")


def train_and_log(run, name, model, reviews, learning_rate=0.001, epochs=5, batch_size=32):
    """Listings 7.8 and 7.9: train `model` on `reviews`, and log all that TensorBoard can show.

    Returns the directory of the logs, and the stopwatch on what the logging costs.
    """
    # Book: my_log_dir itself, in which the curves of two trainings become one tangled line.
    log_dir = run.log_dir(name)
    tested = reviews.test["review"], reviews.test_targets
    # Book: embeddings_freq=1, which leaves the Projector empty (B3): `show_words` fills it. And
    # histogram_freq=1 shows the weights only (B4): the probe adds activations and gradients.
    probe = tuple(part[:64] for part in tested)
    tensorboard = board.TensorBoard(log_dir, histogram_freq=1, probe=probe)
    stopwatch = board.Stopwatch(tensorboard)
    model.compile(
        keras.optimizers.RMSprop(learning_rate),
        "binary_crossentropy",
        metrics=["accuracy"],
        # Book: a batch for each call of TensorFlow. Nothing here looks at one: an epoch for each.
        steps_per_execution=math.ceil(len(reviews.train_targets) / batch_size),
    )
    training.settle(model, reviews.train_targets)
    model.fit(
        reviews.train["review"],
        reviews.train_targets,
        epochs=epochs,  # Book: 20 epochs of batches of 128; fewer reviews need smaller batches
        batch_size=batch_size,
        validation_data=tested,  # Book: validation_split=0.2
        verbose=0,
        callbacks=[tensorboard, stopwatch, run.progress(name.replace("_", " "))],
    )
    return log_dir, stopwatch


def show_words(log_dir, reviews, before, after):
    """Put the words of a training into the Projector and the Images tab; returns their picture."""
    board.write_embedding(log_dir, "embed", after, {"word": reviews.words, "kind": reviews.kinds})
    sides = np.where(np.isin(reviews.kinds, synthetic.OPINIONS), reviews.kinds, "neutral")
    untrained, (trained, shares) = map(scores.principal_components, (before, after))
    figure = figures.embedding(untrained[0], trained, shares, sides)
    board.write_picture(log_dir, "words", figure)
    return figure


@section.lesson("7.2.2", "TensorBoard: a text classifier, and all that it logs")
def text_classifier(run):
    """Each panel has something to show, for a quarter of an epoch; words go where they belong."""
    reviews = synthetic.reviews(run.seed)
    model = build_text_classifier()
    embed = model.get_layer("embed")
    before = embed.get_weights()[0]  # (words, 128)
    log_dir, stopwatch = train_and_log(run, "reviews", model, reviews)
    after = embed.get_weights()[0]
    figure = show_words(log_dir, reviews, before, after)
    board.write_hparams(log_dir, {"patient": "reviews", "learning_rate": 0.001})

    kinds = np.array(reviews.kinds)
    topics, opinions = (np.isin(kinds, of) for of in (synthetic.TOPICS, synthetic.OPINIONS))
    sides = np.where(opinions, kinds, "neutral")
    near, on_topic, told, share = {}, {}, {}, {}
    for name, words in {"trained": after, "untrained": before}.items():
        near[name] = scores.same_kind_neighbours(words[opinions], kinds[opinions])
        on_topic[name] = scores.same_kind_neighbours(words[topics], kinds[topics])
        places, shares = scores.principal_components(words)
        told[name], share[name] = scores.told_by_mean(places[:, 0], sides), shares[0]

    reached = board.scalars(log_dir / "validation")["epoch_accuracy"][-1]
    tags = board.histograms(log_dir / "train")
    of_weights = {f"{weight.path}/histogram" for weight in model.weights} & tags.keys()
    of_others = [tag for tag in tags if tag.startswith(("activations/", "gradients/"))]
    megabytes = sum(path.stat().st_size for path in log_dir.rglob("*") if path.is_file()) / 1e6
    versus = {"chance": 0.5, "ceiling": reviews.ceiling}
    run.claim("Five epochs tell good from bad", reached, "accuracy", at_least=0.95, **versus)
    run.claim("Histograms of weights", len(of_weights), "tags", exactly=len(model.weights))
    run.claim("Histograms of activations and gradients", len(of_others), "tags", exactly=4 + 7)
    unit = "of a bare epoch"
    run.claim("To log all this takes", stopwatch.ratio, unit, at_most=0.25, timed=True)
    run.claim("It leaves", megabytes, "MB", at_most=5)
    unit, versus = "of the words", {"untrained": near["untrained"]}
    run.claim("An opinion's nearest is of its side", near["trained"], unit, at_least=0.95, **versus)
    sentence, versus = "The topics stay mixed: nearest on the same", {"chance": 0.25}
    run.claim(sentence, on_topic["trained"], unit, at_most=0.32, **versus)
    sentence, versus = "One component tells good, bad, neutral", {"untrained": told["untrained"]}
    run.claim(sentence, told["trained"], "accuracy", at_least=0.95, chance=1 / 3, **versus)
    versus, unit = {"untrained": share["untrained"]}, "of the variance"
    run.claim("Its share is", share["trained"], unit, at_least=0.1, **versus)
    run.diagram(model, "text_classifier")
    run.plot_model(model, "text_classifier")
    run.picture(figure)
    run.notes.append(board.invitation(log_dir.parent))


# %% 7.2.2 TensorBoard: the clinic

# What is done to each patient, and nothing else: the reviews, the weights to start from and the
# order of the batches are the same. Eight more layers of relu are well: the twin of vanishing.
PATIENTS = {
    "healthy": {},
    "deep_relu": {"hidden_layers": 8},
    # A thousand times the default of RMSprop. At a hundred times, what the loss does before the
    # units die (which it does not survive either) depends on the seed.
    "rate_too_high": {"learning_rate": 1.0},
    "no_sigmoid": {"last_activation": None},  # the listing as printed (A1)
    "dead_relus": {"bias": -1.0},  # no activation before it comes near 1
    "vanishing": {"hidden_layers": 8, "hidden_activation": "sigmoid"},
    "overfitting": {"different": 32},  # the same 32 reviews 50 times an epoch
}


def train_patient(run, name, reviews, learning_rate=0.001, different=1600, **built):
    """Train a patient for six epochs; returns the directory of its logs."""
    keras.utils.set_random_seed(run.seed)
    words, verdicts = reviews.train["review"], reviews.train_targets
    reviews = dataclasses.replace(  # the first `different` of them, again and again
        reviews,
        train={"review": np.resize(words[:different], words.shape)},
        train_targets=np.resize(verdicts[:different], verdicts.shape),
    )
    model = build_text_classifier(max_len=words.shape[1], **built)
    log_dir, _ = train_and_log(run, name, model, reviews, learning_rate, epochs=6)
    done = {"patient": name, "learning_rate": learning_rate, "different_reviews": different}
    board.write_hparams(log_dir, done | {key: value or "none" for key, value in built.items()})
    return log_dir


@section.lesson("7.2.2", "TensorBoard: the clinic")
def the_clinic(run):
    """Five illnesses, five signs in the logs: each shows in its own patient and in no other."""
    # Shorter reviews, with as many words: seven trainings in the time of one.
    reviews = synthetic.reviews(run.seed, length=120)
    logs = {name: train_patient(run, name, reviews, **done) for name, done in PATIENTS.items()}
    signs = {name: clinic.examine(log_dir) for name, log_dir in logs.items()}
    losses = {name: board.scalars(logs[name] / "train")["epoch_loss"] for name in logs}
    reached = {
        name: board.scalars(logs[name] / "validation")["epoch_accuracy"][-1] for name in logs
    }
    shown = {
        name: {illness: sign.counts(signs[name][illness]) for illness, sign in clinic.SIGNS.items()}
        for name in PATIENTS
    }
    # A loss that went through the roof leaves the other signs without a meaning.
    counted = [(name, ill) for name in PATIENTS for ill in shown[name] if name != "rate_too_high"]
    misplaced = sum(shown[name][ill] != (name == ill) for name, ill in counted)
    apart = abs(losses["vanishing"][-1] - losses["dead_relus"][-1])

    versus, unit = {"chance": 0.5, "ceiling": reviews.ceiling}, "validation accuracy"
    run.claim("Healthy", reached["healthy"], unit, at_least=0.92, **versus)
    sentence, versus = "Healthy too, eight layers of relu deeper", {"healthy": reached["healthy"]}
    run.claim(sentence, reached["deep_relu"], unit, at_least=0.85, **versus)
    for illness, sign in clinic.SIGNS.items():
        twins = ["deep_relu", "healthy"] if illness == "vanishing" else ["healthy"]
        versus = {name: signs[name][illness] for name in twins}
        bounds = {"at_least": sign.at_least, "at_most": sign.at_most}
        run.claim(sign.claim, signs[illness][illness], sign.unit, **bounds, **versus)
        run.say(f"{illness.replace('_', ' ')}: {sign.sentence}")
    unit = f"of {len(counted)}"
    run.claim("Signs in a wrong patient, or not in the right one", misplaced, unit, exactly=0)
    sentence, versus = "Vanishing or dead? Their final losses differ by", {"ln 2": np.log(2)}
    run.claim(sentence, apart, "nats", at_most=0.02, **versus)
    columns = {illness: sign.column for illness, sign in clinic.SIGNS.items()}
    run.picture(figures.clinic(losses, signs, shown, columns))


# %% 7.2.3 Wrapping up


@section.lesson("7.2.3", "Wrapping up: the section at a glance", summary=True)
def at_a_glance(run):
    """Every claim of the section in one picture; asking for this lesson runs them all."""
    run.picture(figures.scorecard(run.claims, "Section 7.2: every claim, measured"))


# %% Besides the lessons


@section.command("--imdb")
def train_on_imdb(run):
    """train the text classifier on the real IMDB reviews, which Keras fetches once, and log that"""
    run.say("The first time, Keras fetches the reviews from the internet.")
    reviews = imdb.reviews(test=5000)
    model = build_text_classifier()
    embed = model.get_layer("embed")
    before = embed.get_weights()[0]
    log_dir, _ = train_and_log(run, "imdb", model, reviews, batch_size=128)
    show_words(log_dir, reviews, before, embed.get_weights()[0])
    reached = board.scalars(log_dir / "validation")["epoch_accuracy"][-1]
    run.say(f"right on {reached:.3f} of {len(reviews.test_targets):,} new reviews")
    run.say(board.invitation(log_dir.parent))


@section.command("--board")
def open_board(run):
    """start TensorBoard on what was logged so far, until Ctrl-C"""
    board.serve(run.output / "my_log_dir")


if __name__ == "__main__":
    section.main()
