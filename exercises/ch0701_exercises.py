"""Exercises to section 7.1, "predict, then run", with their solutions.

`python -m exercises.ch0701_exercises` runs them all, `... 7.1.5` those to one part of the section;
`--list` asks the questions and does not tell the answers. The docstring of a solution is the
question; its claims are the answer, in numbers.
"""

from __future__ import annotations

from ch07 import lab  # first: it checks the installation

# isort: split
import dataclasses

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import ch0701_functional_api as chapter
from ch07 import probes, scores, synthetic

section = lab.Section("7.1", "Exercises to the Keras functional API")


def with_other_layers(model, others):
    """A new functional model like `model`, with other layers in the place of those named."""

    def clone(layer):
        return others.get(layer.name) or layer.__class__.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=clone)


# %% 7.1.1 Introduction to the functional API


@section.exercise(
    chapter.sequential_and_functional,
    "7.1.1",
    "Cut the model in two",
    why="A tensor knows the layers that made it, and any tensor may be an input. Models cut out of "
    "a graph have no layers of their own: they hold those of the whole, with the same weights.",
)
def a_model_cut_in_two(run):
    """Make a front, keras.Model(model.input, hidden), and a back, keras.Model(hidden,
    model.output), where hidden is the output of the layer "hidden_1". Predict: how many parameters
    has the back? Train the back alone: how far are the whole, and the front followed by the back,
    apart then?
    """
    samples = synthetic.vector_classes(run.seed)
    whole = chapter.build_functional()
    hidden = whole.get_layer("hidden_1").output
    front, back = keras.Model(whole.input, hidden), keras.Model(hidden, whole.output)
    before = whole(samples.test["vector"]).numpy()
    back.compile("rmsprop", "categorical_crossentropy", run_eagerly=True)
    progress = run.progress("the back alone")
    features = front(samples.train["vector"]).numpy()
    back.fit(features, samples.train_targets, verbose=0, callbacks=[progress])
    after = whole(samples.test["vector"]).numpy()
    apart = np.abs(back(front(samples.test["vector"])).numpy() - after).max()
    moved = np.abs(after - before).max()
    run.claim("The back has", back.count_params(), "parameters", exactly=1386)
    run.claim("Trained alone, it moves the whole by", moved, "probability", at_least=0.2)
    run.claim("Whole and front with back differ by", apart, "probability", exactly=0)


@section.exercise(
    chapter.sequential_and_functional,
    "7.1.1",
    "Random numbers for targets, as printed",
    why="The best that can be said of noise is 1/10 each, and rows that add up to 5 make that a "
    "loss of 5 * ln 10. The usual kernel's gradient, p - t, is right for rows of sum 1 only.",
)
def random_targets_as_printed(run):
    """Fit the model to the printed targets, random numbers of shape (1000, 10), for ten epochs.
    Predict: where does the loss end, and why not at 0? A lesson runs with deterministic kernels.
    Now give the logits to the usual one, tf.raw_ops.SoftmaxCrossEntropyWithLogits: does the loss
    still fall? Does it, if each row of targets is divided by its sum?
    """
    rng = np.random.default_rng(run.seed)
    vectors, targets = (rng.random((1000, size)).astype("float32") for size in (64, 10))
    softmax = chapter.build_functional()
    logits = with_other_layers(softmax, {"class": layers.Dense(10, name="class")})
    logits.set_weights(softmax.get_weights())
    start = softmax.get_weights()

    def usual(t, z):
        return tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=z, labels=t).loss

    curve = {}
    rows_of_1 = targets / targets.sum(axis=1, keepdims=True)
    for arm, model, rows, loss in (
        ("as printed", softmax, targets, "categorical_crossentropy"),
        ("usual kernel", logits, targets, usual),
        ("rows of sum 1", logits, rows_of_1, usual),
    ):
        model.set_weights(start)
        model.compile("rmsprop", loss)
        told = {"verbose": 0, "callbacks": [run.progress(arm)]}
        curve[arm] = model.fit(vectors, rows, epochs=10, batch_size=128, **told).history["loss"]
    last, versus = curve["as printed"][-1], {"5 ln 10": 5 * np.log(10)}
    rises = {arm: losses[-1] / losses[0] for arm, losses in curve.items()}
    unit = "times the first"
    run.claim("As printed, the last loss is", last, "", at_least=11.3, at_most=11.8, **versus)
    run.claim("The usual kernel: the last loss is", rises["usual kernel"], unit, at_least=1.5)
    run.claim("With rows of sum 1 it is", rises["rows of sum 1"], unit, at_most=1)


# %% 7.1.2 Multi-input models: question answering


@section.exercise(
    chapter.question_answering,
    "7.1.2",
    "Swap the arguments of Embedding",
    why="The table of 64 words by 10,000 numbers is as large as that of 10,000 by 64. The LSTM "
    "behind it is not: 4 * (10,000 + 32 + 1) * 32. And there is no row for the 65th word.",
)
def swapped_embedding(run):
    """Early printings have Embedding(64, text_vocabulary_size). The text's branch alone, with
    LSTM(32) and 500 answers, has 668,916 parameters when it is right. Predict: how many has it
    swapped? And which is the lowest word number that it refuses?
    """
    right = chapter.build_one_branch("text", 10_000, 64, 32, 500)
    swapped = chapter.build_one_branch("text", 64, 10_000, 32, 500)
    refused = []
    for word in (0, 63, 64, 9999):
        try:
            swapped(np.full((1, 4), word, "int32"))
        except tf.errors.InvalidArgumentError:
            refused.append(word)
    tables = [
        next(n.count_params() for n in model.layers if isinstance(n, layers.Embedding))
        for model in (right, swapped)
    ]
    versus = {"right": right.count_params()}
    run.claim("The two tables differ by", tables[1] - tables[0], "parameters", exactly=0)
    run.claim("Swapped, it has", swapped.count_params(), "parameters", exactly=1_940_724, **versus)
    run.claim("Of 0, 63, 64 and 9999 the lowest refused is", min(refused), "", exactly=64)


@section.exercise(
    chapter.question_answering,
    "7.1.2",
    "Mix up questions or texts",
    why="With another's question the model tells the value of some topic, which is the right topic "
    "once in three; with another's text the value of the right topic, which is true once in four.",
)
def inputs_mixed_up(run):
    """Train the model with two inputs. For testing, give each text the question of another sample;
    then each question the text of another. The answers stay. Predict: what is the accuracy in each
    case, with 3 topics of 4 values? Does it matter which input is wrong?
    """
    samples = synthetic.questions(run.seed)
    arms = {"both": chapter.build_question_answering(*samples.vocabulary_sizes)}
    optimizer = keras.optimizers.RMSprop(0.01)
    run.train(arms, samples, "categorical_crossentropy", optimizer, epochs=12, batch_size=256)
    reached = {}
    for mixed in ("none", "question", "text"):
        inputs = {
            name: np.roll(words, 1, axis=0) if name == mixed else words
            for name, words in samples.test.items()
        }
        reached[mixed] = scores.accuracy(arms["both"](inputs).numpy(), samples.test_targets)
    for mixed, ceiling in (("question", "text"), ("text", "question")):
        share = samples.ceilings[ceiling]
        near = {"at_least": share - 0.04, "at_most": share + 0.04}
        versus = {"as asked": reached["none"], f"{ceiling} alone": share}
        run.claim(f"With another's {mixed}", reached[mixed], "accuracy", **near, **versus)


# %% 7.1.2 Multi-input models: a price from three kinds of data


@section.exercise(
    chapter.multimodal,
    "7.1.2",
    "Let the effects add up",
    why="A sum is told by a sum: each model learns its own part, and the weights of the mix put "
    "them together. Only where one thing changes what another is worth has a model to see both.",
)
def effects_that_add_up(run):
    """The lesson's prices are products: a brand multiplies what the material is worth. Make them
    sums, synthetic.garments(seed, effects="add"). Predict: what remains of the joint model's gain
    on the best mix of three separate models, 0.2 of R2 in the lesson?
    """
    garments = synthetic.garments(run.seed, effects="add")
    arms = {"joint": chapter.build_price_model(garments.vocabulary_size)}
    arms |= {n: chapter.build_price_model(garments.vocabulary_size, (n,)) for n in garments.train}
    optimizer = keras.optimizers.Adam(0.004)
    prices = run.train(arms, garments, "mse", optimizer, epochs=10, batch_size=64)
    alone = [prices[name] for name in garments.train]
    design = np.hstack([*alone, np.ones_like(garments.test_targets)])
    mix = design @ np.linalg.lstsq(design, garments.test_targets, rcond=None)[0]
    joint, mixed = (scores.r2(price, garments.test_targets) for price in (prices["joint"], mix))
    run.claim("The joint model gains on the best mix", joint - mixed, "R2", at_most=0.08)
    run.claim("The best mix explains", mixed, "test R2", at_least=0.8, joint=joint)


@section.exercise(
    chapter.multimodal,
    "7.1.2",
    "Take the attributes away after training",
    why="The joint model takes what it is fed for true, and answers a wrong brand with a wrong "
    "price: an error on top of what it cannot know. A model without that input knows its limits.",
)
def attributes_taken_away(run):
    """When the joint model has been trained, give each test garment the attributes of another one.
    Predict: is R2 then that of a model trained on picture and description alone? Is it better than
    the 0 of the mean price?
    """
    garments = synthetic.garments(run.seed)
    size = garments.vocabulary_size
    arms = {
        "joint": chapter.build_price_model(size),
        "without": chapter.build_price_model(size, ("picture", "description")),
    }
    optimizer = keras.optimizers.Adam(0.004)
    told = run.train(arms, garments, "mse", optimizer, epochs=10, batch_size=64)
    reached = {arm: scores.r2(told[arm], garments.test_targets) for arm in arms}
    mixed = garments.test | {"attributes": np.roll(garments.test["attributes"], 1, axis=0)}
    anothers = scores.r2(arms["joint"](mixed).numpy(), garments.test_targets)
    unit, versus = "test R2", {"its own": reached["joint"]}
    run.claim("With another's attributes", anothers, unit, at_most=-0.1, **versus)
    run.claim("Trained without attributes", reached["without"], unit, at_least=0.1)


# %% 7.1.3 Multi-output models: losses of different size


@section.exercise(
    chapter.loss_weights,
    "7.1.3",
    "Work out the losses before training",
    why="Untrained, the model says about 1/10, 1/2 and 0 years for everybody. So the losses are "
    "ln 10, ln 2 and the mean of the squared ages: mean squared plus variance.",
)
def losses_by_hand(run):
    """The ages lie evenly between 18 and 77 years, there are 10 income groups and 2 genders.
    Without a computer: what are the three losses of the model as built, before any training? Which
    weight of the age makes its part a third of the sum, if those of the others are 1?
    """
    posts = synthetic.posts(run.seed)
    model = chapter.build_profile_model(posts.vocabulary_size, 10, 32)
    few, targets = posts.test["posts"], posts.test_targets
    start = probes.losses(model, few, targets, chapter.LOSSES)
    weight = (np.log(10) + np.log(2)) / 2 / (47.5**2 + (60**2 - 1) / 12)
    share = scores.shares(start, {"age": weight, "income": 1.0, "gender": 1.0})["age"]
    for name, by_hand in (("income", np.log(10)), ("gender", np.log(2))):
        off = abs(start[name] / by_hand - 1)
        versus = {"loss": start[name], "by hand": by_hand}
        run.claim(f"The {name}'s start is off the one by hand by", off, "", at_most=0.001, **versus)
    versus = {"weight": weight, "loss": start["age"]}
    run.claim("The age's share is", share, "", at_least=0.3, at_most=0.36, **versus)


@section.exercise(
    chapter.loss_weights,
    "7.1.3",
    "Change the unit and not the weights",
    why="A unit 30 times as large makes the squared error 900 times smaller, and counted from the "
    "middle it does not start with the square of the mean. A weight would do the same.",
)
def age_in_other_units(run):
    """Leave all loss weights at 1, and scale the age from 18 to 77 years to -1 to 1. Predict: which
    share of the loss has the age at the start, 0.999 in years? Are income and gender learned, for
    which the unweighted model of the lesson stays at chance?
    """
    posts = synthetic.posts(run.seed)

    def scaled(targets):
        return targets | {"age": (targets["age"] - 47.5) / 29.5}

    others = dataclasses.replace(
        posts,
        train_targets=scaled(posts.train_targets),
        test_targets=scaled(posts.test_targets),
    )
    apart = keras.initializers.RandomNormal(stddev=1.0)
    arms = {"unweighted": chapter.build_profile_model(posts.vocabulary_size, 10, 32, apart)}
    some = others.train["posts"][:1000]
    targets = {name: target[:1000] for name, target in others.train_targets.items()}
    start = probes.losses(arms["unweighted"], some, targets, chapter.LOSSES)
    share = scores.shares(start, dict.fromkeys(start, 1.0))["age"]
    optimizer = keras.optimizers.Adam(0.003)
    told = run.train(arms, others, chapter.LOSSES, optimizer, epochs=12, batch_size=64)
    run.claim("The age's share of the loss at the start", share, "", at_most=0.15)
    for name, learned in (("income", 0.7), ("gender", 0.65)):
        reached = scores.accuracy(told[f"unweighted_{name}"], others.test_targets[name])
        versus = {"chance": posts.chance[name], "ceiling": posts.ceilings[name]}
        sentence = f"Unweighted, the {name} is told right"
        run.claim(sentence, reached, "accuracy", at_least=learned, **versus)


# %% 7.1.3 Multi-output models: correlated targets


def gender_together_and_alone(run, phrases, epochs):
    """The best accuracies for the gender, learned with age and income and without them."""
    together, alone = (
        chapter.build_profile_model(phrases.vocabulary_size, 10, 32) for _ in range(2)
    )
    alone.set_weights(together.get_weights())
    arms = {
        "together": together,
        "alone": keras.Model(alone.inputs, alone.get_layer("gender").output),
    }
    known = (phrases.labelled / phrases.labelled.mean()).astype("float32")
    only = {"sample_weight": {"gender": known}, "metrics": {"gender": "accuracy"}}
    optimizer = keras.optimizers.Adam(0.002)
    run.train(arms, phrases, chapter.LOSSES, optimizer, epochs=epochs, batch_size=64, **only)
    return (max(run.history[f"val_{name}_accuracy"]) for name in ("together_gender", "alone"))


@section.exercise(
    chapter.correlated_targets,
    "7.1.3",
    "Label the gender of everybody",
    why="What age and income tell of the trait is a substitute for labels. With 3,000 of them the "
    "gender alone teaches the layers below as much.",
)
def gender_known_of_all(run):
    """The gender is known for 100 of 3,000 writers. Make it known for all, known=3000. Predict: how
    much of the gain on the gender learned alone, about 0.3 of accuracy in the lesson, is left?
    """
    phrases = synthetic.phrases(run.seed, known=3000)
    together, alone = gender_together_and_alone(run, phrases, epochs=7)
    run.claim("It gains on the gender learned alone", together - alone, "accuracy", at_most=0.05)
    versus = {"ceiling": phrases.ceiling}
    run.claim("Alone, the gender is told right", alone, "accuracy", at_least=0.85, **versus)


@section.exercise(
    chapter.correlated_targets,
    "7.1.3",
    "Shuffle age and income among the writers",
    why="It is not more outputs that help but what they have in common with the one of interest. "
    "Targets that have nothing to do with the posts teach the layers below nothing.",
)
def companions_of_others(run):
    """Leave the 100 known genders, and give each writer of the training the age and the income of
    some other one. Predict: does the gender learned together still gain on the gender alone?
    """
    phrases = synthetic.phrases(run.seed)
    order = np.random.default_rng(run.seed).permutation(len(phrases.labelled))
    targets = {
        name: target if name == "gender" else target[order]
        for name, target in phrases.train_targets.items()
    }
    phrases = dataclasses.replace(phrases, train_targets=targets)
    together, alone = gender_together_and_alone(run, phrases, epochs=5)
    run.claim("It gains on the gender learned alone", together - alone, "accuracy", at_most=0.15)
    versus = {"ceiling": phrases.ceiling, "chance": 0.5}
    run.claim("Together, the gender is told right", together, "accuracy", at_most=0.7, **versus)


# %% 7.1.4 Directed acyclic graphs of layers: Inception modules


@section.exercise(
    chapter.inception,
    "7.1.4",
    "Drop the padding, as printed",
    why="Unpadded, a kernel of 3 takes two pixels off, before a stride of 2 halves the rest. The "
    "branches do that in different order and number, and agree no more.",
)
def branches_without_padding(run):
    """Build the four branches on an image of 32 x 32 without padding="same", as printed. Work out
    how wide each comes out. Predict: what are the widest and the narrowest, and what does
    concatenate do about it?
    """
    image = keras.Input((32, 32, 3), name="image")
    module = chapter.build_inception_module((32, 32, 3))
    unpadded = {}
    for layer in module.layers:
        if hasattr(layer, "padding"):
            other = layer.get_config() | {"padding": "valid"}
            unpadded[layer.name] = layer.__class__.from_config(other)
    outputs = []
    for branch in ("a_1x1", "b_1x1 b_3x3", "c_average c_3x3", "d_1x1 d_3x3_first d_3x3"):
        x = image
        for name in branch.split():
            x = unpadded[name](x)
        outputs.append(x)
    width = {letter: x.shape[2] for letter, x in zip("abcd", outputs, strict=True)}
    widest, narrowest = max(width, key=width.get), min(width, key=width.get)
    refusal = ""
    try:
        layers.concatenate(outputs)
    except ValueError as error:
        refusal = str(error)
        run.quote(refusal)
    run.claim(f"The widest branch is {widest}, with", width[widest], "pixels", exactly=16)
    sentence = f"The narrowest branch is {narrowest}, with"
    run.claim(sentence, width[narrowest], "pixels", exactly=13)
    run.claim("concatenate refuses them", "matching shapes" in refusal, "times", exactly=1)


@section.exercise(
    chapter.inception,
    "7.1.4",
    "Leave out the 1x1 before the 3x3",
    why="A 3x3 costs 9 * channels * filters. The 1x1 brings the channels to 128 before it, which "
    "is a saving where they are many, and a waste on the 3 of an image.",
)
def the_1x1_left_out(run):
    """Branch b is a 1x1 and a 3x3 convolution, of 128 filters each. Count the parameters of the
    branch, and of the 3x3 alone, on a tensor of 512 channels and on an image of 3. Predict: by
    which factor does the 1x1 make the branch smaller on 512 channels, and on the image?
    """
    count = {}
    for channels in (512, 3):
        x = keras.Input((32, 32, channels))
        alone = layers.Conv2D(128, 3, strides=2, padding="same", activation="relu")(x)
        for arm, y in (("branch", chapter.add_inception_branch("b", x)), ("alone", alone)):
            count[arm, channels] = keras.Model(x, y).count_params()
    for channels, parameters in ((512, 213_248), (3, 148_096)):
        versus = {"3x3 alone": count["alone", channels]}
        sentence = f"On {channels} channels, the branch has"
        run.claim(sentence, count["branch", channels], "parameters", exactly=parameters, **versus)
    factor = count["branch", 3] / count["alone", 3]
    run.claim("On the image, the 1x1 makes it", factor, "times as large", at_least=41, at_most=42)


# %% 7.1.4 Directed acyclic graphs of layers: 1x1 convolutions


@section.exercise(
    chapter.pointwise,
    "7.1.4",
    "Dense in place of the 1x1 convolution",
    why="Dense works on the last axis and treats all others alike. On an image that is the same "
    "weighted sum of the channels of each pixel; only the kernel is stored in another shape.",
)
def dense_on_every_pixel(run):
    """Call Dense(128) on images of shape (8, 16, 16, 3), and give it the weights of a Conv2D(128,
    1). Predict: is that allowed, what shape has the output, and how far from the convolution's is
    it?
    """
    images = np.random.default_rng(run.seed).standard_normal((8, 16, 16, 3)).astype("float32")
    convolution, dense = layers.Conv2D(128, 1, activation="relu"), layers.Dense(128, "relu")
    convolved = convolution(images).numpy()
    dense.build(images.shape)
    kernel, bias = convolution.get_weights()  # (1, 1, 3, 128), (128,)
    dense.set_weights([kernel[0, 0], bias])
    mixed = dense(images).numpy()
    run.claim("The axes of the output are", mixed.ndim, "", exactly=4)
    difference = np.abs(mixed - convolved).max()
    largest = {"largest": np.abs(convolved).max()}
    run.claim("From the convolution it differs by", difference, "", at_most=1e-5, **largest)


@section.exercise(
    chapter.pointwise,
    "7.1.4",
    "Change one pixel and count",
    why="A 3x3 convolution carries a change one pixel further to each side, so three of them carry "
    "it three: 7 * 7. A 1x1 convolution carries it nowhere, however many there are.",
)
def one_pixel_changed(run):
    """Put an image of 16 x 16 through three convolutions with padding="same", and change one pixel
    in the middle. Predict: how many pixels of the output change if all three are 1x1, if all three
    are 3x3, and if one 3x3 stands between two 1x1?
    """
    image = np.random.default_rng(run.seed).standard_normal((1, 16, 16, 3)).astype("float32")
    other = image.copy()
    other[0, 8, 8] += 1
    changed = {}
    for sizes in ((1, 1, 1), (3, 3, 3), (1, 3, 1)):
        stack = keras.Sequential(
            [layers.Conv2D(32, size, padding="same", activation="relu") for size in sizes]
        )
        changed[sizes] = int(np.any(stack(image) != stack(other), axis=-1).sum())
    run.claim("Through three 1x1 change", changed[1, 1, 1], "pixels", exactly=1)
    run.claim("Through three 3x3 change", changed[3, 3, 3], "pixels", exactly=49)
    run.claim("Through 1x1, 3x3 and 1x1 change", changed[1, 3, 1], "pixels", exactly=9)


# %% 7.1.4 Directed acyclic graphs of layers: residual connections


@section.exercise(
    chapter.residual_depth,
    "7.1.4",
    "Add the image itself",
    why="add follows the rules of broadcasting: an axis of length 1 is repeated to fit, one of "
    "length 3 is not. A grey image is added to all 128 channels, and nothing says so.",
)
def the_image_added(run):
    """As printed, x is the image. Build the identity block of 128 filters for images of 3 channels,
    and for grey ones of 1 channel. Predict for each: does Keras refuse to add 128 channels and
    these? If not, how many channels come out, and to how many of them is the image added?
    """
    refusal = ""
    try:
        chapter.build_identity_residual_block((32, 32, 3))
    except ValueError as error:
        refusal = str(error)
        run.quote(refusal)
    grey = chapter.build_identity_residual_block((32, 32, 1))
    convolved = keras.Model(grey.input, grey.get_layer("conv_3").output)
    image = np.random.default_rng(run.seed).standard_normal((1, 32, 32, 1)).astype("float32")
    added = grey(image).numpy() - convolved(image).numpy()
    reached = np.isclose(added, image, rtol=0, atol=1e-5).all(axis=(0, 1, 2)).sum()
    refused = "incompatible shapes" in refusal
    run.claim("Three channels are refused", refused, "times", exactly=1)
    run.claim("Of a grey image come out", grey.output_shape[-1], "channels", exactly=128)
    run.claim("The image is added to", reached, "channels", exactly=128)


@section.exercise(
    chapter.residual_depth,
    "7.1.4",
    "Adam in place of SGD",
    why="Adam divides each gradient by its size, so a small one moves the weights as far as a "
    "large one. That is why the lesson uses SGD. At 40 layers it is a matter of the seed.",
)
def adam_without_shortcuts(run):
    """Train plain networks of 20 and of 40 layers for eight epochs with Adam(0.003), not SGD(0.03).
    Predict: does the one of 20 layers stay at chance, as with SGD? And the one of 40?
    """
    spirals = synthetic.spirals(run.seed)
    arms = {f"plain_{depth}": chapter.build_deep_classifier(depth, False) for depth in (20, 40)}
    optimizer = keras.optimizers.Adam(0.003)
    told = run.train(arms, spirals, "binary_crossentropy", optimizer, epochs=8, batch_size=32)
    reached = {arm: scores.accuracy(told[arm], spirals.test_targets) for arm in arms}
    versus = {"40 layers": reached["plain_40"], "chance": 0.5}
    run.claim("20 plain layers", reached["plain_20"], "accuracy", at_least=0.9, **versus)


# %% 7.1.4 Directed acyclic graphs of layers: the representational bottleneck


@section.exercise(
    chapter.bottleneck,
    "7.1.4",
    "Widen the narrow layer",
    why="One number puts the clouds in a line, where they overlap. Every further one adds a "
    "dimension to keep them apart in, and leaves less that a shortcut could bring back.",
)
def a_wider_neck(run):
    """The narrow layer has one unit, and a shortcut around it gains 0.2 of accuracy and more. Give
    it 2 units, then 4. Predict: what is the gain of a shortcut then?
    """
    clusters = synthetic.clusters(run.seed)
    arms = {}
    for units in (1, 2, 4):
        for arm, shortcut in (("with", True), ("without", False)):
            narrow = layers.Dense(units, name="narrow")
            model = chapter.build_bottleneck_classifier(shortcut)
            arms[f"{units}_{arm}"] = with_other_layers(model, {"narrow": narrow})
    optimizer = keras.optimizers.SGD(0.1)
    told = run.train(
        arms, clusters, "categorical_crossentropy", optimizer, epochs=20, batch_size=32
    )
    reached = {arm: scores.accuracy(told[arm], clusters.test_targets) for arm in arms}
    gain = {n: reached[f"{n}_with"] - reached[f"{n}_without"] for n in (1, 2, 4)}
    versus = {"1 unit": gain[1]}
    run.claim("2 units: a shortcut gains", gain[2], "accuracy", at_most=0.15, **versus)
    run.claim("4 units: a shortcut gains", gain[4], "accuracy", at_most=0.06, **versus)


@section.exercise(
    chapter.bottleneck,
    "7.1.4",
    "Concatenate in place of add",
    why="The softmax reads the wide layer either way. Concatenated, it has 32 * 8 weights more, a "
    "set for each of the two tensors; added, both have to do with one.",
)
def concatenated_shortcut(run):
    """Merge the shortcut by concatenate and not by add. Predict: how many parameters has the model,
    905 with add? And is it better?
    """
    clusters = synthetic.clusters(run.seed)
    added = chapter.build_bottleneck_classifier(True)
    arms = {
        "add": added,
        "concatenate": with_other_layers(added, {"sum": layers.Concatenate(name="both")}),
    }
    optimizer = keras.optimizers.SGD(0.1)
    told = run.train(
        arms, clusters, "categorical_crossentropy", optimizer, epochs=20, batch_size=32
    )
    reached = {arm: scores.accuracy(told[arm], clusters.test_targets) for arm in arms}
    better, versus = reached["concatenate"] - reached["add"], {"added": reached["add"]}
    unit = "parameters"
    run.claim("Concatenated, it has", arms["concatenate"].count_params(), unit, exactly=1161)
    run.claim("It is better by", better, "accuracy", at_least=-0.04, at_most=0.04, **versus)


# %% 7.1.4 Directed acyclic graphs of layers: the carry track of an LSTM


@section.exercise(
    chapter.carry_track,
    "7.1.4",
    "Work out what the carry track keeps",
    why="The carry is multiplied by the forget gate at every step, and sigmoid(1) is 0.73. What "
    "arrives beyond that goes round by the outputs, which the recurrent weights feed back.",
)
def carried_by_hand(run):
    """Keras starts the bias of an LSTM's forget gate at 1. By hand: which factor is that a step?
    Measure the gradient at the first of 40 steps over that at the last, of an untrained LSTM(16),
    and take the 39th root: as built, and with recurrent_initializer="zeros". Predict: which is
    nearer?
    """
    recall = synthetic.recall(run.seed, train=200, test=200)
    few = recall.test["sequence"], recall.test_targets
    kept = {}
    for arm, start in (("as built", "orthogonal"), ("without", "zeros")):
        model = chapter.build_recurrent_classifier(layers.LSTM(16, recurrent_initializer=start))
        over_time = probes.gradient_over_time(model, *few)
        kept[arm] = over_time[0] ** (1 / (len(over_time) - 1))
    versus, unit = {"by hand": 1 / (1 + np.exp(-1))}, "a step"
    sentence = "Without recurrent weights, the gradient is kept to"
    run.claim(sentence, kept["without"], unit, at_least=0.71, at_most=0.76, **versus)
    run.claim("As built, it is kept to", kept["as built"], unit, at_least=0.76, at_most=0.89)


@section.exercise(
    chapter.carry_track,
    "7.1.4",
    "Shorten the sequences to 10 steps",
    why="0.73 ** 9 is 0.06, and that much of the gradient is enough to learn from. What a track is "
    "good for shows at a distance; a short memory needs none.",
)
def ten_steps(run):
    """Of 40 steps, the LSTM as Keras starts it recalls the first symbol in half of the cases, and
    the SimpleRNN with some seeds. Make the sequences 10 steps long. Predict: which of SimpleRNN,
    LSTM and LSTM with an open forget gate recall it now?
    """
    steps = 10
    recall = synthetic.recall(run.seed, steps=steps)
    recurrent = {
        "simple_rnn": layers.SimpleRNN(16),
        "lstm": layers.LSTM(16),
        "open_lstm": layers.LSTM(16),
    }
    arms = {n: chapter.build_recurrent_classifier(layer) for n, layer in recurrent.items()}
    probes.open_forget_gate(recurrent["open_lstm"], steps)
    optimizer = keras.optimizers.Adam(0.005)
    told = run.train(arms, recall, "categorical_crossentropy", optimizer, epochs=6, batch_size=64)
    for arm, sentence in {
        "simple_rnn": "SimpleRNN recalls the first of 10 symbols",
        "lstm": "LSTM recalls it",
        "open_lstm": "LSTM with an open forget gate recalls it",
    }.items():
        reached = scores.accuracy(told[arm], recall.test_targets)
        run.claim(sentence, reached, "accuracy", at_least=0.9, chance=0.25)


# %% 7.1.5 Layer weight sharing: a Siamese LSTM


@section.exercise(
    chapter.siamese_lstm,
    "7.1.5",
    "Make the head as printed learn",
    why="Dense(1) on a concatenation adds up what it hears of the left and of the right sentence. "
    '"The same" is no sum: it is about pairs of values, which a hidden layer can look at.',
)
def a_hidden_layer_in_the_printed_head(run):
    """The head as printed, concatenate and Dense(1), stays at chance. Put one Dense layer of 64
    relus between the two. Does it learn "same or not" now, and is it as good as the head that is
    symmetric by construction?
    """
    sentences = synthetic.sentences(run.seed)
    length = sentences.train["left"].shape[1]
    printed = chapter.build_siamese_lstm(symmetric=False, length=length)
    merged = printed.get_layer("merged").output
    hidden = layers.Dense(64, activation="relu", name="hidden")(merged)
    score = layers.Dense(1, activation="sigmoid", name="hidden_score")(hidden)
    arms = {
        "hidden": keras.Model(printed.inputs, score),
        "symmetric": chapter.build_siamese_lstm(length=length),
    }
    # At the lesson's 0.02, the hidden layer stays at chance with two seeds of ten.
    optimizer = keras.optimizers.Adam(0.01)
    told = run.train(arms, sentences, "binary_crossentropy", optimizer, epochs=10, batch_size=250)
    reached = {arm: scores.accuracy(told[arm], sentences.test_targets) for arm in arms}
    hidden, symmetric = reached["hidden"], reached["symmetric"]
    sentence = "With a hidden layer, the printed head reaches"
    run.claim(sentence, hidden, "accuracy", at_least=0.75, symmetric=symmetric, chance=0.5)
    run.claim("It is behind the symmetric head by", symmetric - hidden, "accuracy", at_least=0)


@section.exercise(
    chapter.siamese_lstm,
    "7.1.5",
    "Two LSTMs that start equal",
    why="Equal weights are a state, a shared layer is a rule. The two LSTMs read different "
    "sentences, get different gradients, and are two different readers after the first step.",
)
def two_lstms_that_start_equal(run):
    """Build the model with two LSTMs, give the second the weights of the first, and train for one
    step. Predict: how many parameters has it, 20,673 with one LSTM? What does swapping the
    sentences change in the score before that step, and what after it?
    """
    sentences = synthetic.sentences(run.seed, train=250, test=250)
    length = sentences.train["left"].shape[1]
    model = chapter.build_siamese_lstm(shared=False, length=length)
    model.get_layer("second_lstm").set_weights(model.get_layer("lstm").get_weights())
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", run_eagerly=True)

    def moved():
        return np.abs(model(sentences.test) - model(sentences.swapped)).max()

    before = moved()
    model.train_on_batch(sentences.train, sentences.train_targets)
    run.claim("Two LSTMs and the head have", model.count_params(), "parameters", exactly=41_281)
    run.claim("Before the step, swapping changes", before, "", exactly=0)
    run.claim("After it, swapping changes", moved(), "", at_least=0.015)


# %% 7.1.6 Models as layers: two eyes


@section.exercise(
    chapter.two_eyes,
    "7.1.6",
    "Swap the eyes",
    why="What is merged is in order, so a shared base does not make the model symmetric. That so "
    "much is left says that part of what it has learned is how far apart things are, on any side.",
)
def eyes_swapped(run):
    """Train the model with the shared base. Then give it the right picture for the left one and the
    left for the right: things shift to the other side, as in no pair of the training. In 7.1.5
    swapping changed nothing. Predict: is the mean error as before, that of one eye, or between?
    """
    pairs = synthetic.stereo_pairs(run.seed)
    arms = {"shared": chapter.build_stereo()}
    optimizer = keras.optimizers.Adam(0.003)
    told = run.train(arms, pairs, "mse", optimizer, epochs=10, batch_size=50)
    swapped = arms["shared"]({"left": pairs.test["right"], "right": pairs.test["left"]}).numpy()
    chance = np.abs(pairs.train_targets.mean() - pairs.test_targets).mean()
    ordered, error = (np.abs(n - pairs.test_targets).mean() for n in (told["shared"], swapped))
    versus, unit = {"in order": ordered, "always the mean": chance}, "pixels"
    run.claim("Swapped: mean error", error, unit, at_most=1.8, **versus)
    run.claim("It is larger than in order by", error - ordered, unit, at_least=0.15)


@section.exercise(
    chapter.two_eyes,
    "7.1.6",
    "Pool before merging",
    why="Pooling keeps what an eye sees and forgets where. Depth is where the left eye sees a "
    "thing against where the right one does, and no layer behind can bring that back.",
)
def pooled_before_merging(run):
    """Put GlobalAveragePooling2D behind the base, for each eye, merge the two times 16 features
    that are left, and let Dense(32) and Dense(1) tell the disparity. Predict: is the error that of
    two eyes, of one eye, or between?
    """
    pairs = synthetic.stereo_pairs(run.seed)
    inputs = [keras.Input((24, 24, 1), name=name) for name in ("left", "right")]
    eye = chapter.build_eye("eye")
    pooled = [layers.GlobalAveragePooling2D()(eye(picture)) for picture in inputs]
    x = layers.Dense(32, activation="relu")(layers.concatenate(pooled))
    start = keras.initializers.Constant(3.5)
    disparity = layers.Dense(1, bias_initializer=start, name="disparity")(x)
    arms = {"pooled": keras.Model(inputs, disparity)}
    optimizer = keras.optimizers.Adam(0.003)
    told = run.train(arms, pairs, "mse", optimizer, epochs=10, batch_size=50)
    chance = np.abs(pairs.train_targets.mean() - pairs.test_targets).mean()
    error = np.abs(told["pooled"] - pairs.test_targets).mean()
    versus = {"always the mean": chance}
    run.claim("Pooled first: mean error", error, "pixels", at_least=1.9, **versus)


@section.exercise(
    chapter.two_eyes,
    "7.1.6",
    "Overwrite the input, as printed",
    why="Python forgets the Input when its name is given to something else; the graph does not. "
    "From the features that are called right_input no way leads back to the picture.",
)
def an_input_overwritten(run):
    """Write right_input = eye(right_input), as printed, merge it with left_features, and make
    keras.Model([left_input, right_input], merged). Predict: which of these three lines does Keras
    refuse? And how many parameters has the model when the name is put right?
    """
    left_input = keras.Input((24, 24, 1), name="left")
    right_input = keras.Input((24, 24, 1), name="right")
    picture, eye = right_input, chapter.build_eye("eye")
    left_features = eye(left_input)
    passed, refusal = 0, ""
    try:
        right_input = eye(right_input)
        passed += 1
        merged = layers.concatenate([left_features, right_input], name="merged")
        passed += 1
        keras.Model([left_input, right_input], merged)
    except ValueError as error:
        refusal = str(error)
        run.quote(refusal)
    model = keras.Model([left_input, picture], merged)
    run.claim("Lines that pass before one is refused", passed, "", exactly=2)
    refused = "not connected" in refusal
    run.claim("The Model is refused", refused, "times", exactly=1)
    run.claim("Put right, it has", model.count_params(), "parameters", exactly=352)


if __name__ == "__main__":
    section.main()
