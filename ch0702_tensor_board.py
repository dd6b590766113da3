"""Section 7.2 of "Deep Learning with Python": callbacks and TensorBoard.

A lesson is a cell (`# %%`): what the book prints, in plain Keras, and an experiment that puts it to
the test on synthetic data. Run one cell in PyCharm, VS Code, Spyder or Jupyter, change something,
and run it again; or run the script, with `7.2.2` or `early_stopping` for a part of it, with
`--list` for what there is. The trainings of 7.2.2 log for TensorBoard into ch07/my_log_dir.

`# Book:` marks where the code differs from print, and why (A1 to B21: rows of docs/errata.md).
"""

from ch07 import lab  # first: it checks the installation

# isort: split
from pathlib import Path

import keras
import numpy as np
from keras import layers

from ch07 import backup, board, callbacks, calls, clinic, crash, data, metrics
from ch07.plots import tensor_board as plots

section = lab.Section(
    "ch0702_tensor_board",
    folders=["my_log_dir", "my_trainings"],
    options={
        "--imdb": {
            "action": "store_const",
            "const": "imdb",
            "dest": "data",
            "help": "train text_classifier on the book's reviews of IMDB",
        },
    },
    commands={
        "--board": {"action": "store_true", "help": "start TensorBoard on all logs, until Ctrl-C"},
    },
)


# %% The model of the lessons on callbacks
def build_cloud_classifier(features=16, classes=8, units=64):
    """In which of some clouds a point lies: (batch, features) to (batch, classes)."""
    point = keras.Input((features,), name="features")
    x = layers.Dense(units, activation="relu", name="hidden_1")(point)
    x = layers.Dense(units, activation="relu", name="hidden_2")(x)
    cloud = layers.Dense(classes, activation="softmax", name="cloud")(x)
    return keras.Model(point, cloud, name="cloud_classifier")


# %% 7.2.1 Callbacks: stop early, keep the best model
if section.lesson("7.2.1", "early_stopping"):
    # Few points, soon learned by heart. The others validate, so none of them is a test any more.
    clouds = section.load(data.clusters, train=100, test=1000, features=6)
    x_train, y_train = clouds.train, clouds.train_targets
    validation = (clouds.test, clouds.test_targets)
    model = build_cloud_classifier(*clouds.shape, clouds.classes)
    model.compile(keras.optimizers.RMSprop(0.02), "categorical_crossentropy", metrics=["accuracy"])
    path = section.folder_for("early_stopping") / "my_model.keras"
    callbacks_list = [
        keras.callbacks.EarlyStopping(
            monitor="val_accuracy",  # Book: "acc", the training accuracy, which is not meant (A13)
            patience=2,  # Book: 1, which waits for one epoch and not for two (A14)
        ),
        keras.callbacks.ModelCheckpoint(
            filepath=path,  # Book: "my_model.h5", a format that Keras calls legacy (B9)
            monitor="val_loss",
            save_best_only=True,
        ),
        section.progress("stopped early"),
    ]
    stopped = model.fit(
        x_train, y_train, epochs=30, validation_data=validation, verbose=0, callbacks=callbacks_list
    ).history
    kept = keras.saving.load_model(path).evaluate(*validation, verbose=0, return_dict=True)["loss"]

    # And if nothing stops it? The same seed: the same weights to begin with, the same batches.
    keras.utils.set_random_seed(section.seed)
    model = build_cloud_classifier(*clouds.shape, clouds.classes)
    model.compile(keras.optimizers.RMSprop(0.02), "categorical_crossentropy", metrics=["accuracy"])
    callbacks_list = [section.progress("not stopped")]
    whole = model.fit(
        x_train, y_train, epochs=30, validation_data=validation, verbose=0, callbacks=callbacks_list
    ).history

    section.claim(
        "Not stopped, the validation loss ends at", whole["val_loss"][-1] / kept,
        "times that of the model kept", at_least=1.6,
        compared_with={"stopped": stopped["val_loss"][-1] / kept},
    )  # fmt: skip
    section.picture(plots.early_stopping(whole, stopped_after=len(stopped["loss"])), clouds)
    section.remember()


# %% 7.2.1 Callbacks: the learning rate
def halve_every_third_epoch(epoch, rate):
    """The learning rate of `epoch`, from that of the epoch before it."""
    return rate / 2 if epoch > 0 and epoch % 3 == 0 else rate


if section.lesson("7.2.1", "learning_rates"):
    clouds = section.load(data.clusters, train=600, test=500)
    x_train, y_train = clouds.train, clouds.train_targets
    validation = (clouds.test, clouds.test_targets)
    callback_of = {
        "reduced on a plateau": keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss",
            factor=0.1,
            patience=2,  # Book: 10, which can never fire within its 10 epochs (A15)
        ),
        "halved every third epoch": keras.callbacks.LearningRateScheduler(halve_every_third_epoch),
        "constant": keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate),
    }
    rates, losses = {}, {}
    for name, callback in callback_of.items():
        keras.utils.set_random_seed(section.seed)  # the same weights and batches for each
        model = build_cloud_classifier(*clouds.shape, clouds.classes)
        model.compile(keras.optimizers.RMSprop(0.05), "categorical_crossentropy")
        both = [callback, section.progress(name)]
        history = model.fit(
            x_train, y_train, epochs=16, validation_data=validation, verbose=0, callbacks=both
        ).history
        losses[name] = history["val_loss"]
        rates[name] = history["learning_rate"]  # Book: "lr" (B18)

    ends = {name: np.mean(of[-4:]) for name, of in losses.items()}
    section.claim(
        "Reduced on a plateau, the last four validation losses are",
        ends["reduced on a plateau"] / ends["constant"], "of the constant rate's", at_most=0.7,
    )  # fmt: skip
    section.picture(plots.learning_rates(rates, losses, ends), clouds)
    section.remember()


# %% 7.2.1 Callbacks: a log of every epoch, and what resuming loses
if section.lesson("7.2.1", "csv_logger"):
    clouds = section.load(data.clusters, train=100, test=1000, features=6)
    x_train, y_train = clouds.train, clouds.train_targets
    validation = (clouds.test, clouds.test_targets)
    folder = section.folder_for("csv_logger")
    log, path = folder / "log.csv", folder / "best.keras"
    model = build_cloud_classifier(*clouds.shape, clouds.classes)
    model.compile(keras.optimizers.RMSprop(0.02), "categorical_crossentropy", metrics=["accuracy"])
    callbacks_list = [
        keras.callbacks.CSVLogger(log),
        keras.callbacks.ModelCheckpoint(path, "val_loss", save_best_only=True),
        section.progress("26 epochs"),
    ]
    first = model.fit(
        x_train, y_train, epochs=26, validation_data=validation, verbose=0, callbacks=callbacks_list
    ).history

    # Four epochs more, as in a program that is started again. The first epoch that the new
    # checkpoint sees is its best so far, and is saved (keras issue 17012).
    callbacks_list = [
        keras.callbacks.CSVLogger(log, append=True),
        keras.callbacks.ModelCheckpoint(path, "val_loss", save_best_only=True),
        section.progress("resumed"),
    ]
    model.fit(
        x_train, y_train, initial_epoch=26, epochs=30, validation_data=validation, verbose=0,
        callbacks=callbacks_list,
    )  # fmt: skip
    best = min(first["val_loss"])
    kept = keras.saving.load_model(path).evaluate(*validation, verbose=0, return_dict=True)["loss"]

    section.claim(
        "Resumed, the best model's file has a validation loss of", kept / best, "times the best",
        at_least=1.45, compared_with={"before": 1},
    )  # fmt: skip
    section.picture(plots.csv_logger(log, resumed_after=26, best=best, kept=kept), clouds)
    section.remember()


# %% 7.2.1 Callbacks: your own
if section.lesson("7.2.1", "own_callbacks"):
    clouds = section.load(data.clusters, train=600, test=500)
    x_train, y_train = clouds.train, clouds.train_targets
    validation = (clouds.test, clouds.test_targets)
    # In ch07/callbacks.py: after a worse epoch, back to the best weights, and on in smaller steps.
    back = callbacks.BackToTheBest(section.folder_for("own_callbacks") / "best.weights.h5")
    losses = {}
    for name, callback in {"with the callback": [back], "without": []}.items():
        keras.utils.set_random_seed(section.seed)
        model = build_cloud_classifier(*clouds.shape, clouds.classes)
        model.compile(keras.optimizers.RMSprop(0.05), "categorical_crossentropy")  # far too fast
        both = [*callback, section.progress(f"too fast, {name}")]
        losses[name] = model.fit(
            x_train, y_train, epochs=10, validation_data=validation, verbose=0, callbacks=both
        ).history["val_loss"]

    # fit records its training step once (traces it): a later trainable = False is not seen.
    model = build_cloud_classifier(*clouds.shape, clouds.classes)
    model.compile(keras.optimizers.SGD(0.03), "categorical_crossentropy")
    hidden = model.get_layer("hidden_1")
    kernels = [hidden.kernel.numpy()]
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kernels.append(hidden.kernel.numpy())
    )
    freeze = callbacks.Freeze(hidden, at=3, retrace=False)  # sets hidden.trainable = False
    model.fit(x_train, y_train, epochs=6, verbose=0, callbacks=[freeze, keep])
    model.make_train_function(force=True)  # what Freeze does if it is not told retrace=False
    model.fit(x_train, y_train, initial_epoch=6, epochs=9, verbose=0, callbacks=[keep])
    moved = np.abs(np.diff(kernels, axis=0)).max(axis=(1, 2))  # by epoch

    section.claim(
        "Back to the best weights, the last five validation losses are",
        np.mean(losses["with the callback"][-5:]) / np.mean(losses["without"][-5:]),
        "of those without", at_most=0.64,
    )  # fmt: skip
    section.claim(
        "With trainable = False alone, a weight still moves by", np.median(moved[3:6]), "an epoch",
        at_least=0.01, compared_with={"traced again": max(moved[6:])},
    )  # fmt: skip
    section.picture(plots.own_callbacks(losses, back.loaded, moved), clouds)
    section.remember()


# %% 7.2.1 Callbacks: the progress bar is one
if section.lesson("7.2.1", "progress_bar"):
    clouds = data.clusters(section.seed, train=600)
    same = (clouds.train, clouds.train_targets)
    model = build_cloud_classifier()
    model.compile(keras.optimizers.RMSprop(0.003), "categorical_crossentropy")
    shown = []  # what a bar shows: a loss after every batch
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: shown.append(logs["loss"])
    )
    bars = [callbacks.ProgressBar(section.console), keep]
    # Evaluated, after each epoch, on the points that it trains on.
    history = model.fit(*same, epochs=3, validation_data=same, verbose=0, callbacks=bars).history

    section.claim(
        "Evaluated after the first epoch, the same points have",
        history["val_loss"][0] / history["loss"][0], "times the loss that the bar shows",
        at_most=0.68,
    )  # fmt: skip
    section.picture(plots.progress_bar(shown, history), clouds)
    section.remember()


# %% 7.2.1 Callbacks: the activations of every layer
class ActivationLogger(keras.callbacks.Callback):
    """The book's callback: what every layer gives for a sample, in a file for each epoch.

    sample: (samples, ...), as the model takes it. folder: for activations_at_epoch_0.npz and so on.
    """

    def __init__(self, sample, folder):
        super().__init__()
        self.sample = sample  # Book: self.validation_data, which Keras no longer sets (B1)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def on_epoch_end(self, epoch, logs=None):
        # Book: a model of every layer.output, made in set_model. A model without an Input is not
        # built by then (B1), and layer.output is of the layer's first call, maybe in another model.
        activations = calls.activations(self.model, self.sample)
        # Book: one list of arrays of all shapes, which NumPy refuses (B1), into a file that was
        # opened as text (A16). By name, they are read without pickle.
        np.savez(self.folder / f"activations_at_epoch_{epoch}.npz", **activations)


if section.lesson("7.2.1", "activation_logger"):
    clouds = data.clusters(section.seed, train=600, test=500)
    folder = section.folder_for("activation_logger")
    model = build_cloud_classifier(units=24)
    model.compile(keras.optimizers.RMSprop(0.005), "categorical_crossentropy")
    both = [ActivationLogger(clouds.test, folder), section.progress("activation logger")]
    model.fit(clouds.train, clouds.train_targets, epochs=12, verbose=0, callbacks=both)

    # Of the point whose right cloud gains most probability: (epochs, units), by layer.
    paths = [folder / f"activations_at_epoch_{epoch}.npz" for epoch in model.history.epoch]
    logged = [np.load(path) for path in paths]
    gained = (logged[-1]["cloud"] - logged[0]["cloud"]) * clouds.test_targets
    point = gained.max(axis=1).argmax()
    over_epochs = {name: np.stack([of[name][point] for of in logged]) for name in logged[0]}
    section.picture(plots.activation_logger(over_epochs, clouds.test_targets[point].argmax()))
    section.remember()


# %% 7.2.1 Callbacks: going on after a crash
def build_dropout_stack():
    """The stack of section 7.1.1 with Dropout: (batch, 64) to (batch, 10), 3,466 parameters."""
    vector_input = keras.Input((64,), name="vector")
    x = layers.Dense(32, activation="relu", name="hidden_1")(vector_input)
    x = layers.Dropout(0.3, name="dropout")(x)  # its masks are part of what has to go on
    x = layers.Dense(32, activation="relu", name="hidden_2")(x)
    label = layers.Dense(10, activation="softmax", name="class")(x)
    return keras.Model(vector_input, label, name="dropout_stack")


def train_with_backup(seed, folder, *more):
    """Run again after a crash, it goes on from the backup. `more`: other callbacks."""
    keras.utils.set_random_seed(seed)
    vectors = data.vector_classes(seed)
    x_train, y_train = vectors.train, vectors.train_targets
    model = build_dropout_stack()
    model.compile("rmsprop", "categorical_crossentropy")
    saved = backup.Backup(Path(folder) / "backup.npz")
    start, both = saved.restore(model), [*more, saved]
    model.fit(x_train, y_train, initial_epoch=start, epochs=8, verbose=0, callbacks=both)
    return model


if section.lesson("7.2.1", "backup_and_restore"):
    # The same function in another process, which is killed in the middle of its sixth epoch.
    train, folder = "ch0702_tensor_board:train_with_backup", section.folder_for("killed")
    crash.run_and_kill(train, section.seed, folder, epoch=5, batch=15)
    resumed = train_with_backup(section.seed, folder, section.progress("killed and resumed"))

    folder = section.folder_for("undisturbed")
    undisturbed = train_with_backup(section.seed, folder, section.progress("undisturbed"))
    weights = zip(resumed.get_weights(), undisturbed.get_weights(), strict=True)

    section.claim(
        "Killed in epoch 6 of 8 and resumed, weights differ by up to",
        max(np.abs(one - other).max() for one, other in weights),
        at_most=1e-5,
    )
    section.diagram(resumed)
    section.remember()


# %% 7.2.2 TensorBoard: the text classifier (listing 7.7)
def build_text_classifier(max_features=2000, max_len=500, bias=0.0, hidden=(), last="sigmoid"):
    """Listing 7.7: whether a review is good; 291,937 parameters.

    review: (batch, max_len) int32. sentiment: (batch, 1), probability. The other arguments are for
    the clinic: the bias that the convolutions start with, the activations of Dense layers behind
    them, and that of the last one; None: the listing as printed.
    """
    # Book: input_length=max_len, of which Keras 3 warns, and which leaves the model unbuilt (B2).
    review = keras.Input((max_len,), dtype="int32", name="review")
    x = layers.Embedding(max_features, 128, name="embed")(review)  # (batch, max_len, 128)
    start = keras.initializers.Constant(bias)
    x = layers.Conv1D(32, 7, activation="relu", bias_initializer=start, name="conv_1")(x)
    x = layers.MaxPooling1D(5, name="pool")(x)
    x = layers.Conv1D(32, 7, activation="relu", bias_initializer=start, name="conv_2")(x)
    x = layers.GlobalMaxPooling1D(name="any_place")(x)  # (batch, 32)
    for n, activation in enumerate(hidden, start=1):
        x = layers.Dense(32, activation, kernel_initializer="he_normal", name=f"hidden_{n}")(x)
    # Book: Dense(1), without the sigmoid that makes it a probability (A1).
    sentiment = layers.Dense(1, activation=last, name="sentiment")(x)
    return keras.Model(review, sentiment, name="text_classifier")


# %% 7.2.2 TensorBoard: all that it logs (listings 7.7 to 7.9)
if section.lesson("7.2.2", "text_classifier"):
    # Book: 2,000 words, of which a review of IMDB has up to 500 (--imdb).
    reviews = section.load(
        data.reviews, train=1000, length=200, opinion_words=125, topic_words=125, filler=249
    )
    model = build_text_classifier(len(reviews.words), *reviews.shape)
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
    embed = model.get_layer("embed")
    untrained = embed.get_weights()[0]  # (words, 128)
    # Book: my_log_dir itself, in which the curves of two trainings become one tangled line.
    log_dir = section.log_dir("reviews")
    probe = (reviews.test[:64], reviews.test_targets[:64])  # looked into after each epoch
    callbacks_list = [
        # Book: Keras's callback, which logs no activations and no gradients (B4); and with
        # embeddings_freq=1, which leaves the Projector empty (B3): see below.
        board.TensorBoard(log_dir, histogram_freq=1, probe=probe),
        section.progress("text classifier"),
    ]
    history = model.fit(
        reviews.train,
        reviews.train_targets,
        epochs=5,  # Book: 20 epochs of batches of 128; fewer reviews need smaller batches
        batch_size=32,
        validation_data=(reviews.test, reviews.test_targets),  # Book: validation_split=0.2
        verbose=0,
        callbacks=callbacks_list,
    ).history
    trained = embed.get_weights()[0]
    # The words for the Projector, their picture for the Images tab, a line for the HParams tab.
    board.write_embedding(log_dir, "embed", trained, {"word": reviews.words, "kind": reviews.kinds})
    figure = plots.embedding(untrained, trained, reviews.kinds)
    board.write_picture(log_dir, "words", figure)
    board.write_hparams(log_dir, {"run": "reviews", "learning_rate": 0.001})

    section.claim(
        "Five epochs tell good reviews from bad", history["val_accuracy"][-1], "accuracy",
        at_least=0.75, compared_with={"chance": 0.5, "best possible": reviews.best_possible},
    )  # fmt: skip
    kinds = np.array(reviews.kinds)
    opinions, topics = np.isin(kinds, data.OPINIONS), np.isin(kinds, data.TOPICS)
    same_side = metrics.same_kind_neighbours(trained[opinions], kinds[opinions])
    section.claim(
        "Share of opinion words whose nearest is on their side", same_side, at_least=0.75,
        compared_with={"chance": 0.5},
    )  # fmt: skip
    section.claim(
        "Share of topic words whose nearest shares the topic",
        metrics.same_kind_neighbours(trained[topics], kinds[topics]), at_most=0.6,
        compared_with={"chance": 0.25},
    )  # fmt: skip
    section.diagram(model)
    section.picture(figure, reviews)
    section.say(board.invitation(log_dir.parent))
    section.remember()


# %% 7.2.2 TensorBoard: the training of the next two lessons
def train_short(name, learning_rate=0.005, different_reviews=400, **changes):
    """Train the classifier on few and short reviews; its reviews, and the directory of its logs.

    The reviews, the first weights and the batches are the same, whatever the `changes`.
    """
    sizes = {"opinion_words": 16, "topic_words": 16, "filler": 31}
    reviews = data.reviews(section.seed, train=400, test=200, length=60, **sizes)
    seen = np.arange(400) % different_reviews
    keras.utils.set_random_seed(section.seed)
    model = build_text_classifier(max_features=128, max_len=60, **changes)
    # By its name, the metric would be made in the first step, which is then traced twice.
    accuracy, optimizer = keras.metrics.BinaryAccuracy("accuracy"), keras.optimizers.RMSprop
    model.compile(optimizer(learning_rate), "binary_crossentropy", metrics=[accuracy])
    log_dir = section.log_dir(name)
    probe = (reviews.test[:64], reviews.test_targets[:64])
    model.fit(
        reviews.train[seen], reviews.train_targets[seen], epochs=3, batch_size=16, verbose=0,
        validation_data=(reviews.test, reviews.test_targets),
        callbacks=[board.TensorBoard(log_dir, probe=probe), section.progress(name)],
    )  # fmt: skip
    board.write_hparams(log_dir, {"run": name, "learning_rate": learning_rate})
    return reviews, log_dir


FAULTS = {
    "healthy": {},
    "rate_too_high": {"learning_rate": 1.0},  # a thousand times the default of RMSprop
    "no_sigmoid": {"last": None},  # the listing as printed (A1)
    "dead_relus": {"bias": -1.0},  # what comes in would have to exceed 1 for a unit to fire
    "vanishing": {"hidden": ["sigmoid"] * 4},
    "overfitting": {"different_reviews": 8},  # the same eight again and again
}

# %% 7.2.2 TensorBoard: the clinic
if section.lesson("7.2.2", "the_clinic"):
    symptoms = {}
    for fault, changes in FAULTS.items():
        reviews, log_dir = train_short(fault, **changes)
        symptoms[fault] = clinic.examine(log_dir)
    for fault, symptom in clinic.SYMPTOMS.items():
        section.say(f"{fault}: {symptom.sentence}")
    mistaken = {run for run, _ in clinic.misplaced(symptoms)}
    right, guess = len(FAULTS) - len(mistaken), {"names dealt at random": 1}
    section.claim(
        "Runs with their own symptom alone", right, "of 6", at_least=5, compared_with=guess
    )
    section.picture(plots.clinic(symptoms), reviews)
    section.remember()


# %% 7.2.2 TensorBoard: the cure
TREATMENTS = {
    "rate_too_high": {"learning_rate": 0.01},
    "no_sigmoid": {"last": "sigmoid"},
    "dead_relus": {"bias": 0.1},  # to begin with, many units fire
    "vanishing": {"hidden": ["relu"] * 4},
    "overfitting": {"different_reviews": 200},
}

if section.lesson("7.2.2", "the_cure"):
    symptoms = {}
    for fault, treatment in TREATMENTS.items():
        reviews, log_dir = train_short(f"{fault}-treated", **FAULTS[fault] | treatment)
        symptoms[f"{fault}, treated"] = clinic.examine(log_dir)
    still_ill = {run for run, _ in clinic.misplaced(symptoms)}
    cured, untreated = len(TREATMENTS) - len(still_ill), {"untreated": 0}
    section.claim(
        "Runs that a treatment leaves without any symptom", cured, "of 5", at_least=4,
        compared_with=untreated,
    )  # fmt: skip
    section.picture(plots.clinic(symptoms), reviews)
    section.remember()


# %% Besides the lessons: TensorBoard on all logs (--board)

if section.options.get("board"):
    board.serve(section.output / "my_log_dir")

section.finish()
