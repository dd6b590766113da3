"""Exercises for section 7.2, "predict, then run": each is a cell that answers its question.

`python -m exercises.ch0702_exercises --list` asks the questions and does not tell the answers;
with the name of an exercise it runs that one.
"""

from ch07 import lab  # first: it checks the installation

# isort: split
import contextlib

import keras
import numpy as np

import ch0702_tensor_board as chapter
from ch07 import callbacks, data, inspection, metrics

section = lab.Section("ch0702_exercises", folders=["my_trainings"])


# %% The model of the lessons on callbacks, compiled


def compiled_classifier(optimizer, features=16, **options):
    """The cloud classifier, ready to be trained; `options` as `compile` takes them."""
    model = chapter.build_cloud_classifier(features=features)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"], **options)
    return model


# %% 7.2.1 Callbacks: stop early, keep the best model

if section.lesson("7.2.1", "patience_of_zero_and_one"):
    clouds = data.clusters(section.seed, train=100, test=1000, features=6)
    x_train, y_train = clouds.train, clouds.train_targets
    validation = (clouds.test, clouds.test_targets)
    epochs = {}
    for patience in (0, 1, 2):
        keras.utils.set_random_seed(section.seed)
        model = compiled_classifier(keras.optimizers.RMSprop(0.02), features=6)
        stop = keras.callbacks.EarlyStopping("val_accuracy", patience=patience)
        both = [stop, section.progress(f"patience {patience}")]
        history = model.fit(
            x_train, y_train, epochs=20, validation_data=validation, verbose=0, callbacks=both
        )
        epochs[patience] = len(history.epoch)

    earlier = epochs[1] - epochs[0]
    section.claim("With 0 it stops earlier than with 1 by", earlier, "epochs", at_most=0)
    section.claim(
        "With 2 it stops later than with 1 by", epochs[2] - epochs[1], "epochs", at_least=1
    )
    section.remember()


# %%
if section.lesson("7.2.1", "the_wrong_mode"):
    clouds = data.clusters(section.seed, train=100, test=1000, features=6)
    x_train, y_train = clouds.train, clouds.train_targets
    validation = (clouds.test, clouds.test_targets)
    model = compiled_classifier(keras.optimizers.RMSprop(0.02), features=6)
    stop = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=2, mode="min", restore_best_weights=True
    )
    both = [stop, section.progress("mode min")]
    history = model.fit(
        x_train, y_train, epochs=20, validation_data=validation, verbose=0, callbacks=both
    ).history
    accuracy = model.evaluate(*validation, verbose=0, return_dict=True)["accuracy"]

    section.claim("It stops after", len(history["loss"]), "epochs", at_most=8)
    section.claim(
        "The epoch that comes back is less accurate than the best one by",
        max(history["val_accuracy"]) - accuracy,
        "accuracy",
        at_least=0.01,
    )
    section.remember()


# %% 7.2.1 Callbacks: the learning rate

if section.lesson("7.2.1", "two_callbacks_for_one_rate"):
    clouds = data.clusters(section.seed, train=600, test=500)
    model = compiled_classifier(keras.optimizers.RMSprop(0.03))
    after = []  # the rate at the end of each epoch
    callbacks_list = [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.03),
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=2),
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: after.append(float(model.optimizer.learning_rate))
        ),
        section.progress("schedule and plateau"),
    ]
    model.fit(
        clouds.train, clouds.train_targets, epochs=10, verbose=0, callbacks=callbacks_list,
        validation_data=(clouds.test, clouds.test_targets),
    )  # fmt: skip
    trained = model.history.history["learning_rate"]

    section.claim("The plateau reduces the rate", sum(np.less(after, 0.02)), "times", at_least=2)
    section.claim("Trained at another rate for", sum(np.less(trained, 0.02)), "epochs", at_most=0)
    section.remember()


# %% 7.2.1 Callbacks: a log of every epoch, and what resuming loses

if section.lesson("7.2.1", "with_the_threshold"):
    clouds = data.clusters(section.seed, train=100, test=1000, features=6)
    x_train, y_train = clouds.train, clouds.train_targets
    validation = (clouds.test, clouds.test_targets)
    path = section.folder_for("with_the_threshold") / "best.keras"
    model = compiled_classifier(keras.optimizers.RMSprop(0.02), features=6)
    best = None
    for first, epochs in ((0, 26), (26, 30)):
        keep = keras.callbacks.ModelCheckpoint(
            path, "val_loss", save_best_only=True, initial_value_threshold=best
        )
        history = model.fit(
            x_train, y_train, initial_epoch=first, epochs=epochs, verbose=0,
            validation_data=validation, callbacks=[keep, section.progress(f"to epoch {epochs}")],
        ).history  # fmt: skip
        best = best or min(history["val_loss"])
    kept = keras.saving.load_model(path).evaluate(*validation, verbose=0, return_dict=True)

    section.claim(
        "The file of the best model is worse by",
        kept["loss"] - best,
        "validation loss",
        at_most=1e-5,
        compared_with={"last epoch": history["val_loss"][-1] - best},
    )
    section.remember()


# %% 7.2.1 Callbacks: your own

if section.lesson("7.2.1", "good_enough"):
    clouds = data.clusters(section.seed, train=600, test=500)
    model = compiled_classifier(keras.optimizers.SGD(0.03))
    both = [callbacks.StopAt("val_accuracy", 0.85), section.progress("until it is good enough")]
    history = model.fit(
        clouds.train, clouds.train_targets, epochs=20, verbose=0, callbacks=both,
        validation_data=(clouds.test, clouds.test_targets),
    ).history  # fmt: skip
    enough = sum(np.greater_equal(history["val_accuracy"], 0.85))

    section.claim("It stops after", len(history["loss"]), "epochs", at_most=15)
    section.claim("Of these, good enough", enough, "epochs", at_least=1, at_most=1)
    section.remember()


# %%
if section.lesson("7.2.1", "back_without_slowing_down"):
    clouds = data.clusters(section.seed, train=600, test=500)
    folder = section.folder_for("back")
    loaded = {}
    for factor in (0.1, 1.0):
        keras.utils.set_random_seed(section.seed)
        model = compiled_classifier(keras.optimizers.SGD(1.0))
        back = callbacks.BackToTheBest(folder / f"{factor}.weights.h5", factor)
        model.fit(
            clouds.train, clouds.train_targets, epochs=10, verbose=0,
            validation_data=(clouds.test, clouds.test_targets),
            callbacks=[back, section.progress(f"rate times {factor}")],
        )  # fmt: skip
        loaded[factor] = len(back.loaded)

    slower = {"slower": loaded[0.1]}
    section.claim(
        "As fast as before, it goes back", loaded[1.0], "times", at_least=4, compared_with=slower
    )
    section.remember()


# %% 7.2.1 Callbacks: the progress bar is one

if section.lesson("7.2.1", "five_batches_at_once"):
    clouds = data.clusters(section.seed, train=600, test=500)
    model = compiled_classifier("rmsprop", steps_per_execution=5)
    shown = []
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: shown.append(logs["loss"])
    )
    both = [keep, callbacks.ProgressBar(section.console)]
    history = model.fit(clouds.train, clouds.train_targets, epochs=3, verbose=0, callbacks=both)
    last = np.reshape(shown, (3, -1))[:, -1]

    section.claim("In three epochs of 19 batches, it shows", len(shown), "losses", at_most=12)
    section.claim(
        "The last of an epoch and that of the history differ by",
        np.abs(last - history.history["loss"]).max(),
        "loss",
        at_most=1e-5,
    )
    section.remember()


# %% 7.2.1 Callbacks: the activations of every layer

if section.lesson("7.2.1", "dropout_in_the_log"):
    vectors = data.vector_classes(section.seed, train=200, test=200)
    folder = section.folder_for("dropout_in_the_log")
    model = chapter.build_dropout_stack()
    model.compile("rmsprop", "categorical_crossentropy")
    both = [chapter.ActivationLogger(vectors.test, folder), section.progress("activation logger")]
    model.fit(vectors.train, vectors.train_targets, verbose=0, callbacks=both)
    with np.load(folder / "activations_at_epoch_0.npz") as file:
        logged = dict(file)
    active = logged["hidden_1"] > 0
    in_training = model.get_layer("dropout")(logged["hidden_1"], training=True).numpy()

    section.claim(
        "In the file, dropout sets to zero",
        np.mean(logged["dropout"][active] == 0),
        "of the active units",
        at_most=0.15,
        compared_with={"in training": np.mean(in_training[active] == 0)},
    )
    section.remember()


# %% 7.2.1 Callbacks: going on after a crash

if section.lesson("7.2.1", "the_backup_of_keras"):
    vectors = data.vector_classes(section.seed)

    def break_off(epoch, logs):
        if epoch == 2:
            raise InterruptedError

    difference = {}
    for dropout in (0.3, 0.0):
        losses = {}
        for name, interruptions in {"undisturbed": [[]], "resumed": [[break_off], []]}.items():
            folder = section.folder_for(f"{name}_{dropout}")
            for interruption in interruptions:  # each time as in a process that starts anew
                keras.utils.set_random_seed(section.seed)
                model = chapter.build_dropout_stack()
                model.get_layer("dropout").rate = dropout
                model.compile("rmsprop", "categorical_crossentropy")
                callbacks_list = [keras.callbacks.BackupAndRestore(folder)]
                callbacks_list += [
                    keras.callbacks.LambdaCallback(on_epoch_begin=at) for at in interruption
                ]
                with contextlib.suppress(InterruptedError):
                    model.fit(
                        vectors.train, vectors.train_targets, epochs=4, verbose=0,
                        callbacks=callbacks_list,
                    )  # fmt: skip
            losses[name] = model.history.history["loss"][-2:]
        difference[dropout] = np.abs(np.subtract(losses["undisturbed"], losses["resumed"])).max()

    section.claim(
        "With Dropout, the last two losses differ by up to",
        difference[0.3],
        "cross-entropy",
        at_least=0.005,
        compared_with={"no Dropout": difference[0.0]},
    )
    section.remember()


# %% 7.2.2 TensorBoard: the text classifier

if section.lesson("7.2.2", "words_in_another_order"):
    reviews = data.reviews(section.seed, train=800, test=1000, length=100, opinion_words=60)
    model = chapter.build_text_classifier(max_features=len(reviews.words), max_len=100)
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        reviews.train, reviews.train_targets, epochs=5, batch_size=16, verbose=0,
        callbacks=[section.progress("text classifier")],
    )  # fmt: skip
    rng = np.random.default_rng(section.seed)
    shuffled = rng.permuted(reviews.test, axis=1)
    # A stable sort by "is it a word" takes the padding back to the front and leaves the words.
    places = np.argsort(shuffled != 0, axis=1, kind="stable")
    accuracy = {
        name: metrics.accuracy(model(words, training=False).numpy(), reviews.test_targets)
        for name, words in {
            "as written": reviews.test,
            "shuffled": np.take_along_axis(shuffled, places, axis=1),
        }.items()
    }

    section.claim(
        "With the words shuffled, the accuracy falls by",
        accuracy["as written"] - accuracy["shuffled"],
        "accuracy",
        at_most=0.1,
        compared_with=accuracy,
    )
    section.remember()


# %%
if section.lesson("7.2.2", "a_frozen_embedding"):
    reviews = data.reviews(section.seed, train=800, test=400, length=100, opinion_words=60)
    accuracy = {}
    for name in ("trained", "frozen"):
        keras.utils.set_random_seed(section.seed)
        model = chapter.build_text_classifier(max_features=len(reviews.words), max_len=100)
        model.get_layer("embed").trainable = name == "trained"
        model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
        model.fit(
            reviews.train, reviews.train_targets, epochs=5, batch_size=16, verbose=0,
            callbacks=[section.progress(name)],
        )  # fmt: skip
        tested = model.evaluate(reviews.test, reviews.test_targets, verbose=0, return_dict=True)
        accuracy[name] = tested["accuracy"]

    section.claim(
        "With the words frozen, the accuracy falls by",
        accuracy["trained"] - accuracy["frozen"],
        "accuracy",
        at_least=0.1,
        compared_with=accuracy,
    )
    section.remember()


# %% 7.2.2 TensorBoard: the clinic

if section.lesson("7.2.2", "relu_instead_of_sigmoid"):
    reviews = data.reviews(section.seed, train=64, test=64, length=60)
    lost = {}  # between the last of the hidden layers and the first, before any training
    for activation in ("relu", "sigmoid"):
        keras.utils.set_random_seed(section.seed)
        model = chapter.build_text_classifier(max_len=60, hidden=[activation] * 8)
        ratio = inspection.gradient_ratio(
            model, ("any_place", "hidden_8"), reviews.train, reviews.train_targets
        )
        lost[activation] = -np.log10(ratio)

    section.claim(
        "Through eight layers of sigmoid the gradient loses",
        lost["sigmoid"],
        "powers of ten",
        at_least=2,
        compared_with={"relu": lost["relu"]},
    )
    section.remember()


# %%
if section.lesson("7.2.2", "the_sigmoid_in_the_loss"):
    reviews = data.reviews(section.seed, train=800, test=400, length=100, opinion_words=60)
    model = chapter.build_text_classifier(max_features=len(reviews.words), max_len=100, last=None)
    model.compile("rmsprop", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(
        reviews.train, reviews.train_targets, epochs=5, batch_size=16, verbose=0,
        callbacks=[section.progress("sigmoid in the loss")],
    )  # fmt: skip
    outputs = model(reviews.test, training=False).numpy()

    section.claim(
        "Taking an output above 0 for a good review, it is right on",
        np.mean((outputs > 0) == (reviews.test_targets > 0)),
        "of the reviews",
        at_least=0.75,
        compared_with={"chance": 0.5},
    )
    section.claim(
        "Below 0 or above 1 are",
        np.mean((outputs < 0) | (outputs > 1)),
        "of the outputs",
        at_least=0.5,
    )
    section.remember()


section.finish()
