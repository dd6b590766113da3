"""Section 7.1 of "Deep Learning with Python": the Keras functional API.

Run it without arguments for the whole section, with `7.1.5` for one lesson, with `--list` for what
there is. A lesson is the book's model, then an experiment that puts what the book says of it to the
test on synthetic data: a line for each training, and for each claim the number that was measured,
what it is compared with, and whether the claim holds.

`# Book:` marks where the code differs from print, and why (A1 to B21 number the known differences).
The defaults of the builders are the book's; the experiments pass fewer words and units, since their
data are smaller. The models of a comparison are trained side by side, on the same batches.
"""

from __future__ import annotations

from ch07 import lab  # first: it checks the installation

# isort: split
import keras
import numpy as np
from keras import layers

from ch07 import checks, figures, probes, scores, synthetic

section = lab.Section("7.1", "The Keras functional API")


# %% 7.1.1 Introduction to the functional API


def build_sequential():
    """The stack of section 7.1.1 as a Sequential model: (batch, 64) to (batch, 10)."""
    return keras.Sequential(
        [
            keras.Input((64,), name="vector"),  # Book: input_shape= on the first layer (B20)
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        name="sequential",
    )


def build_functional():
    """The same stack with the functional API: (batch, 64) to (batch, 10), 3,466 parameters."""
    input_tensor = keras.Input((64,), name="vector")
    x = layers.Dense(32, activation="relu", name="hidden_1")(input_tensor)
    x = layers.Dense(32, activation="relu", name="hidden_2")(x)
    output_tensor = layers.Dense(10, activation="softmax", name="class")(x)
    return keras.Model(input_tensor, output_tensor, name="functional")


@section.lesson("7.1.1", "Introduction to the functional API")
def sequential_and_functional(run):
    """A functional model computes what its Sequential twin computes, and refuses a stray input."""
    # Book: the targets are random numbers, which nothing can learn (A6).
    samples = synthetic.vector_classes(run.seed)
    vectors, progress = samples.train["vector"], run.progress("functional model")
    sequential, functional = build_sequential(), build_functional()
    functional.compile("rmsprop", "categorical_crossentropy")
    functional.fit(
        vectors, samples.train_targets, epochs=10, batch_size=128, verbose=0, callbacks=[progress]
    )
    sequential.set_weights(functional.get_weights())
    outputs = [model(samples.test["vector"]).numpy() for model in (sequential, functional)]

    unrelated_input = keras.Input((32,), name="unrelated")
    try:
        refusal = ""
        keras.Model(unrelated_input, functional.output)
    except ValueError as error:  # Book: RuntimeError, "Graph disconnected" (B10)
        refusal = str(error)
        run.quote(refusal)

    difference = np.abs(outputs[0] - outputs[1]).max()
    reached = scores.accuracy(outputs[1], samples.test_targets)
    refused = "not connected" in refusal
    run.claim("Same weights, same output: they differ by", difference, "probability", at_most=0)
    run.claim(
        "The stack of three layers has", functional.count_params(), "parameters", exactly=3466
    )
    run.claim("Ten epochs teach it", reached, "accuracy", at_least=0.8, chance=0.1)
    run.claim("An input without a path to the output is refused", refused, "times", exactly=1)
    run.diagram(functional, "functional")
    run.picture(figures.sequential_and_functional(outputs))


# %% 7.1.2 Multi-input models: question answering (listings 7.1 and 7.2)


def build_question_answering(
    text_vocabulary_size=10_000, question_vocabulary_size=10_000, answer_vocabulary_size=500
):
    """Listing 7.1: the answer to a question about a text; 1,000,052 parameters.

    text, question: (batch, words) int32. answer: (batch, answer_vocabulary_size), probabilities.
    """
    text_input = keras.Input((None,), dtype="int32", name="text")
    # Book: early printings swap the arguments, which builds and then cannot be trained (A2).
    embedded_text = layers.Embedding(text_vocabulary_size, 64, name="text_words")(text_input)
    encoded_text = layers.LSTM(32, name="text_lstm")(embedded_text)  # (batch, 32)

    question_input = keras.Input((None,), dtype="int32", name="question")
    embed = layers.Embedding(question_vocabulary_size, 32, name="question_words")
    embedded_question = embed(question_input)  # (batch, words, 32)
    encoded_question = layers.LSTM(16, name="question_lstm")(embedded_question)  # (batch, 16)

    concatenated = layers.concatenate([encoded_text, encoded_question], axis=-1, name="merged")
    answer = layers.Dense(answer_vocabulary_size, activation="softmax", name="answer")(concatenated)
    return keras.Model([text_input, question_input], answer, name="question_answering")


def build_one_branch(name, vocabulary_size, embedding, units, answer_vocabulary_size):
    """One branch of listing 7.1 with a softmax of its own: what the input `name` alone answers."""
    words = keras.Input((None,), dtype="int32", name=name)
    encoded = layers.LSTM(units)(layers.Embedding(vocabulary_size, embedding)(words))
    answer = layers.Dense(answer_vocabulary_size, activation="softmax", name="answer")(encoded)
    return keras.Model(words, answer, name=f"{name}_alone")


@section.lesson("7.1.2", "Multi-input models: question answering")
def question_answering(run):
    """Two inputs answer what neither can answer alone; feeding by list or by dict is the same."""
    samples = synthetic.questions(run.seed)
    texts, questions, answers = samples.vocabulary_sizes
    arms = {
        "both": build_question_answering(texts, questions, answers),
        "text": build_one_branch("text", texts, 64, 32, answers),
        "question": build_one_branch("question", questions, 32, 16, answers),
    }
    # The book's rmsprop, at ten times its default rate: then twelve epochs are enough.
    optimizer = keras.optimizers.RMSprop(0.01)
    # Book: randint(0, 1) makes one-hot answers of zeros only, and a loss of exactly 0 (A5).
    loss = "categorical_crossentropy"
    told = run.train(arms, samples, loss, optimizer, epochs=12, batch_size=256)
    reached = {arm: scores.accuracy(told[arm], samples.test_targets) for arm in arms}

    # Listing 7.2: from the same start, a step fed by list and a step fed by dict.
    few = {name: words[:128] for name, words in samples.train.items()}
    fed = []
    for inputs in (list(few.values()), few):
        keras.utils.set_random_seed(run.seed)
        twin = build_question_answering(texts, questions, answers)
        # Eagerly: one step does not pay for a trace.
        twin.compile("rmsprop", "categorical_crossentropy", run_eagerly=True)
        twin.fit(inputs, samples.train_targets[:128], epochs=1, batch_size=128, verbose=0)
        fed.append(np.concatenate([weights.ravel() for weights in twin.get_weights()]))
    difference = np.abs(fed[0] - fed[1]).max()

    ceilings = samples.ceilings
    for arm, sentence in {
        "both": "Text and question together give the answer",
        "text": "The text alone reaches what texts can tell, no more",
        "question": "The question alone reaches what questions can tell, no more",
    }.items():
        # Three points either way are 3.5 standard deviations of a share of 3,000 questions.
        near = {"at_least": ceilings[arm] - 0.03, "at_most": min(1.0, ceilings[arm] + 0.03)}
        versus = {"ceiling": ceilings[arm], "chance": 1 / answers}
        run.claim(sentence, reached[arm], "test accuracy", **near, **versus)
    run.claim("Fed by list and by dict, the weights differ by", difference, "weight", at_most=0)
    run.diagram(arms["both"], "question_answering")
    run.picture(figures.question_answering(reached, ceilings))


# %% 7.1.2 Multi-input models: a price from three kinds of data


def build_price_model(vocabulary_size, modalities=("picture", "description", "attributes")):
    """A price from any of three modalities, each through layers of its own kind.

    picture: (batch, 16, 16, 1). description: (batch, words) int32. attributes: (batch, 5).
    price: (batch, 1).
    """
    inputs = {
        "picture": keras.Input((16, 16, 1), name="picture"),
        "description": keras.Input((None,), dtype="int32", name="description"),
        "attributes": keras.Input((5,), name="attributes"),
    }
    x = layers.Conv2D(16, 3, activation="relu", name="texture")(inputs["picture"])
    embedded = layers.Embedding(vocabulary_size, 16, name="words")(inputs["description"])
    branches = {
        "picture": layers.GlobalAveragePooling2D(name="average")(x),  # (batch, 16)
        "description": layers.GlobalMaxPooling1D(name="any_word")(embedded),  # (batch, 16)
        "attributes": layers.Dense(16, activation="relu", name="facts")(inputs["attributes"]),
    }
    seen = [branches[name] for name in modalities]
    merged = layers.concatenate(seen, axis=-1, name="merged") if len(seen) > 1 else seen[0]
    hidden = layers.Dense(32, activation="relu", name="hidden")(merged)
    price = layers.Dense(1, name="price")(hidden)
    return keras.Model([inputs[name] for name in modalities], price, name="price_model")


@section.lesson("7.1.2", "Multi-input models: a price from three kinds of data")
def multimodal(run):
    """Learning jointly from picture, text and numbers beats any mix of three separate models."""
    garments = synthetic.garments(run.seed)
    arms = {"joint": build_price_model(garments.vocabulary_size)}
    arms |= {n: build_price_model(garments.vocabulary_size, (n,)) for n in garments.train}
    optimizer = keras.optimizers.Adam(0.004)
    prices = run.train(arms, garments, "mse", optimizer, epochs=12, batch_size=64)
    # Separate models can only be mixed. The weights of the best mix are fitted on the test prices
    # themselves, which is more than it could ever know: what it lacks is not a matter of weights.
    alone = np.hstack([prices[name] for name in garments.train])
    prices["average"] = alone.mean(axis=1, keepdims=True)
    design = np.hstack([alone, np.ones_like(garments.test_targets)])
    prices["best mix"] = design @ np.linalg.lstsq(design, garments.test_targets, rcond=None)[0]
    reached = {name: scores.r2(price, garments.test_targets) for name, price in prices.items()}

    joint, ceiling = reached["joint"], garments.ceilings
    versus = {"ceiling": ceiling["joint"], "best alone": max(reached[n] for n in garments.train)}
    run.claim(
        "Learned jointly: the price is explained by", joint, "test R2", at_least=0.88, **versus
    )
    for name, bound in {"average": 0.4, "best mix": 0.15}.items():
        versus = {name: reached[name], "its ceiling": ceiling[name]}
        gain = joint - reached[name]
        run.claim(f"It gains on the {name} of three", gain, "R2", at_least=bound, **versus)
    run.diagram(arms["joint"], "price_model")
    run.picture(figures.multimodal(reached, ceiling, garments.test_targets, prices))


# %% 7.1.3 Multi-output models: age, income and gender (listings 7.3 to 7.6)

LOSSES = {"age": "mse", "income": "categorical_crossentropy", "gender": "binary_crossentropy"}
PRINTED_WEIGHTS = {"age": 0.25, "income": 1.0, "gender": 10.0}  # made for an age loss of 3 to 5
# Squared years start near 2,600; a thousandth of that is of the size of ln 10 = 2.3 and ln 2 = 0.7.
BALANCED_WEIGHTS = {"age": 0.001, "income": 1.0, "gender": 1.0}


def build_profile_model(vocabulary_size=50_000, income_groups=10, width=256, spread="uniform"):
    """Listing 7.3: age, income and gender of the writer of some posts; 14,146,316 parameters.

    posts: (batch, words) int32. age: (batch, 1) years. income: (batch, income_groups),
    probabilities. gender: (batch, 1), probability. `width` 32 instead of 256 suits our short posts;
    `spread` initialises the embedding.
    """
    posts_input = keras.Input((None,), dtype="int32", name="posts")
    # Book: Embedding(256, vocabulary_size) knows 256 words and has 45,982,476 parameters (A3).
    embed = layers.Embedding(vocabulary_size, width, embeddings_initializer=spread, name="words")
    x = embed(posts_input)  # (batch, words, width)
    # Book: without padding, posts of fewer than 269 words cannot be fed (A4).
    x = layers.Conv1D(width // 2, 5, padding="same", activation="relu", name="conv_1")(x)
    x = layers.MaxPooling1D(5, padding="same", name="pool_1")(x)
    x = layers.Conv1D(width, 5, padding="same", activation="relu", name="conv_2")(x)
    x = layers.Conv1D(width, 5, padding="same", activation="relu", name="conv_3")(x)
    x = layers.MaxPooling1D(5, padding="same", name="pool_2")(x)
    x = layers.Conv1D(width, 5, padding="same", activation="relu", name="conv_4")(x)
    x = layers.Conv1D(width, 5, padding="same", activation="relu", name="conv_5")(x)
    x = layers.GlobalMaxPooling1D(name="pool_3")(x)  # (batch, width)
    x = layers.Dense(width // 2, activation="relu", name="dense")(x)
    age = layers.Dense(1, name="age")(x)
    income = layers.Dense(income_groups, activation="softmax", name="income")(x)
    gender = layers.Dense(1, activation="sigmoid", name="gender")(x)
    return keras.Model(posts_input, [age, income, gender], name="profile")


@section.lesson("7.1.3", "Multi-output models: losses of different size")
def loss_weights(run):
    """Unweighted, the loss in squared years drowns the two others; balanced, all three learn."""
    posts = synthetic.posts(run.seed)
    weightings = {"unweighted": dict.fromkeys(LOSSES, 1.0), "balanced": BALANCED_WEIGHTS}
    # Keras starts words within 0.05 of zero. Started further apart they survive the five
    # convolutions from the first epoch on, and a few epochs are enough to see who is heard.
    apart = keras.initializers.RandomNormal(stddev=1.0)
    arms = {a: build_profile_model(posts.vocabulary_size, 10, 32, apart) for a in weightings}
    arms["balanced"].set_weights(arms["unweighted"].get_weights())

    # Listings 7.4 to 7.6: losses, weights and targets as a list or as a dict, compiled to the same.
    some = posts.train["posts"][:1000]
    targets = {name: target[:1000] for name, target in posts.train_targets.items()}
    totals = []
    for form in (dict, lambda by_name: list(by_name.values())):
        model = arms["balanced"]
        # Book: metrics=['acc'] is refused with three outputs (B11); none are needed here.
        weights = form(PRINTED_WEIGHTS)
        model.compile("rmsprop", form(LOSSES), loss_weights=weights, run_eagerly=True)
        totals.append(float(np.ravel(model.test_on_batch(some, form(targets)))[0]))
    start = probes.losses(model, some, targets, LOSSES)
    weightings["as printed"] = PRINTED_WEIGHTS
    share = {a: scores.shares(start, weights) for a, weights in weightings.items()}

    optimizer = keras.optimizers.Adam(0.003)
    told = run.train(
        arms, posts, LOSSES, optimizer, loss_weights=weightings, epochs=10, batch_size=64
    )
    years = {a: scores.rmse(told[f"{a}_age"], posts.test_targets["age"]) for a in arms}
    reached = {
        name: {a: scores.accuracy(told[f"{a}_{name}"], posts.test_targets[name]) for a in arms}
        for name in ("income", "gender")
    }

    ages = {name: shares["age"] for name, shares in share.items()}
    age = ages.pop("unweighted")
    run.claim("Unweighted, the age's share of the loss", age, "", at_least=0.99, **ages)
    for name, deaf, learned in (("income", 0.15, 0.4), ("gender", 0.65, 0.7)):
        versus = {"chance": posts.chance[name], "ceiling": posts.ceilings[name]}
        low, high = reached[name]["unweighted"], reached[name]["balanced"]
        run.claim(f"Unweighted, the {name} is told right", low, "accuracy", at_most=deaf, **versus)
        run.claim(
            f"Balanced, the {name} is told right", high, "accuracy", at_least=learned, **versus
        )
    versus = {"mean age": posts.chance["age"], "unweighted": years["unweighted"]}
    run.claim("Balanced, the age is off by", years["balanced"], "years", at_most=16, **versus)
    difference = abs(totals[0] - totals[1])
    run.claim("Compiled by list and by dict, losses differ by", difference, "loss", at_most=0)
    run.diagram(arms["balanced"], "profile")
    run.picture(figures.loss_weights(share, reached, posts.ceilings))


# %% 7.1.3 Multi-output models: correlated targets


@section.lesson("7.1.3", "Multi-output models: correlated targets")
def correlated_targets(run):
    """A target with few labels is learned better together with targets it correlates with."""
    phrases = synthetic.phrases(run.seed)
    together, alone = (build_profile_model(phrases.vocabulary_size, 10, 32) for _ in range(2))
    alone.set_weights(together.get_weights())
    arms = {
        "together": together,
        "alone": keras.Model(alone.inputs, alone.get_layer("gender").output),
    }
    # Zero where the gender is not known; the few that are known make up for it.
    known = (phrases.labelled / phrases.labelled.mean()).astype("float32")
    optimizer = keras.optimizers.Adam(0.002)
    only = {"sample_weight": {"gender": known}, "metrics": {"gender": "accuracy"}}
    run.train(arms, phrases, LOSSES, optimizer, epochs=8, batch_size=64, **only)
    curves = {n: run.history[f"val_{n}_accuracy"] for n in ("together_gender", "alone")}
    # The best epoch of each: the one that overfits its few labels is not judged by that.
    best = {name: max(curve) for name, curve in curves.items()}

    reached, gain = best["together_gender"], best["together_gender"] - best["alone"]
    versus = {"ceiling": phrases.ceiling, "chance": 0.5}
    sentence = "Gender known of few, learned with age and income"
    run.claim(sentence, reached, "accuracy", at_least=0.9, **versus)
    run.claim(
        "It gains on the gender learned alone", gain, "accuracy", at_least=0.1, alone=best["alone"]
    )
    run.picture(figures.correlated_targets(curves, phrases.ceiling))


# %% 7.1.4 Directed acyclic graphs of layers: Inception modules


def add_inception_branch(letter, x, filters=128):
    """Branch "a", "b", "c" or "d" of an Inception module.

    x: (batch, height, width, channels) to (batch, height / 2, width / 2, filters), rounded up.
    """
    # Book: without padding the branches come out 16, 15, 13 and 14 wide, and do not concatenate
    # (A7). With it, each is half as wide as the input.
    options = {"padding": "same", "activation": "relu"}
    if checks.one_of("abcd", letter=letter) == "a":
        return layers.Conv2D(filters, 1, strides=2, name="a_1x1", **options)(x)
    if letter == "c":
        x = layers.AveragePooling2D(3, strides=2, padding="same", name="c_average")(x)
        return layers.Conv2D(filters, 3, name="c_3x3", **options)(x)
    x = layers.Conv2D(filters, 1, name=f"{letter}_1x1", **options)(x)
    if letter == "d":
        x = layers.Conv2D(filters, 3, name="d_3x3_first", **options)(x)
    return layers.Conv2D(filters, 3, strides=2, name=f"{letter}_3x3", **options)(x)


def build_inception_module(image_shape=(32, 32, 3), filters=128, branches="abcd"):
    """The book's module: an image through parallel branches into one tensor.

    image: (batch, height, width, channels). features: (batch, height / 2, width / 2, filters for
    each of `branches`).
    """
    image = keras.Input(image_shape, name="image")
    outputs = [add_inception_branch(letter, image, filters) for letter in branches]
    x = layers.concatenate(outputs, axis=-1, name="merged") if len(outputs) > 1 else outputs[0]
    return keras.Model(image, x, name="inception_module")


def add_scale_heads(module):
    """`module`, an average over all positions, and a sigmoid for each of three questions."""
    pooled = layers.GlobalAveragePooling2D(name="pooled")(module.output)
    return keras.Model(module.input, layers.Dense(3, activation="sigmoid", name="scales")(pooled))


@section.lesson("7.1.4", "Directed acyclic graphs: Inception modules")
def inception(run):
    """Four branches together see scales that no single branch of equal size sees all of."""
    images = synthetic.scales(run.seed)
    shape, filters = images.train["image"].shape[1:], 8
    arms = {"module": add_scale_heads(build_inception_module(shape, filters))}
    # The widths that bring a branch alone within 6 % of the module's parameters.
    for letter, width in {"a": 310, "b": 15, "c": 70, "d": 11}.items():
        arms[letter] = add_scale_heads(build_inception_module(shape, width, letter))
    optimizer = keras.optimizers.Adam(0.01)
    told = run.train(arms, images, "binary_crossentropy", optimizer, epochs=7, batch_size=32)
    seen = {arm: scores.accuracies(told[arm], images.test_targets) for arm in arms}
    # To silence a branch is to put zeros in its part of what is merged, or of its average.
    silent = {}
    for place, letter in enumerate("abcd"):
        part = slice(place * filters, (place + 1) * filters)
        answers = probes.silenced(arms["module"], images.test["image"], "pooled", part)
        silent[letter] = scores.accuracies(answers, images.test_targets)

    worst = {arm: min(by_scale) for arm, by_scale in seen.items()}
    single = max(worst[letter] for letter in "abcd")
    behind = max(max(seen[letter][n] for letter in "abcd") - seen["module"][n] for n in range(3))
    lost = max(seen["module"][n] - silent["a"][n] for n in range(3))
    coarse, without_c = seen["module"][2], silent["c"][2]
    unit = "accuracy"
    run.claim(
        "The module's worst of three scales", worst["module"], unit, at_least=0.95, chance=0.5
    )
    run.claim(
        "The best single branch's worst scale", single, unit, at_most=0.78, module=worst["module"]
    )
    run.claim("The module is behind the best branch for a scale by", behind, unit, at_most=0.04)
    sentence = "Without branch c, the coarse scale is told right"
    run.claim(sentence, without_c, unit, at_most=0.6, module=coarse)
    run.claim("Without branch a, the scales lose", lost, unit, at_most=0.04)
    run.diagram(build_inception_module(), "inception_module")
    run.picture(figures.inception(seen, silent, synthetic.SCALES))


# %% 7.1.4 Directed acyclic graphs of layers: 1x1 convolutions


@section.lesson("7.1.4", "Directed acyclic graphs: 1x1 convolutions")
def pointwise(run):
    """A 1x1 convolution mixes channels and never pixels; a 3x3 convolution mixes both."""
    rng = np.random.default_rng(run.seed)
    images = rng.standard_normal((8, 16 * 16, 3)).astype("float32")
    order = rng.permutation(16 * 16)
    moved = {}
    for size in (1, 3):
        layer = layers.Conv2D(128, size, padding="same", activation="relu")

        def convolve(pixels, layer=layer):
            return layer(pixels.reshape(8, 16, 16, 3)).numpy().reshape(8, 16 * 16, 128)

        # Shuffle the pixels before the layer, or after it: is there a difference?
        before, after = convolve(images[:, order]), convolve(images)[:, order]
        moved[size] = np.linalg.norm(before - after) / np.linalg.norm(after)
    unit = "of the output"
    run.claim("1x1: to shuffle pixels before or after differs by", moved[1], unit, at_most=0)
    run.claim("3x3: it differs by", moved[3], unit, at_least=0.8, **{"1x1": moved[1]})
    run.picture(figures.pointwise(moved))


# %% 7.1.4 Directed acyclic graphs of layers: residual connections


def build_identity_residual_block(feature_shape=(32, 32, 128), filters=128):
    """Three 3x3 convolutions, and what went into them added: the shape stays as it is."""
    # Book: x is the image; three channels do not add to 128, one adds to all in silence (A8).
    x = keras.Input(feature_shape, name="features")
    y = layers.Conv2D(filters, 3, activation="relu", padding="same", name="conv_1")(x)
    y = layers.Conv2D(filters, 3, activation="relu", padding="same", name="conv_2")(y)
    y = layers.Conv2D(filters, 3, activation="relu", padding="same", name="conv_3")(y)
    return keras.Model(x, layers.add([y, x], name="sum"), name="identity_residual_block")


def build_linear_residual_block(feature_shape=(32, 32, 128), filters=128):
    """Two 3x3 convolutions and a pool, and what went in added through a strided 1x1 convolution.

    features: (batch, height, width, channels) to (batch, height / 2, width / 2, filters).
    """
    x = keras.Input(feature_shape, name="features")
    y = layers.Conv2D(filters, 3, activation="relu", padding="same", name="conv_1")(x)
    y = layers.Conv2D(filters, 3, activation="relu", padding="same", name="conv_2")(y)
    # Book: a pool without padding makes 16 of 33, the shortcut 17 (A9).
    y = layers.MaxPooling2D(2, strides=2, padding="same", name="pool")(y)
    residual = layers.Conv2D(filters, 1, strides=2, padding="same", name="shortcut")(x)
    return keras.Model(x, layers.add([y, residual], name="sum"), name="linear_residual_block")


def build_deep_classifier(depth, residual, units=16):
    """`depth` (even) equal Dense layers; with `residual`, what goes into two is added behind them.

    point: (batch, 2). side: (batch, 1), probability. "stem" and "body" name the tensors before and
    behind the deep part. Both kinds have the same parameters.
    """
    point = keras.Input((2,), name="point")
    x = layers.Dense(units, activation="relu", name="stem")(point)
    for _ in range(checks.whole(2, 2, depth=depth) // 2):
        y = layers.Dense(units, activation="relu", use_bias=False)(x)
        y = layers.Dense(units, activation="relu", use_bias=False)(y)
        x = layers.add([y, x]) if residual else y
    x = layers.Identity(name="body")(x)
    return keras.Model(point, layers.Dense(1, activation="sigmoid", name="side")(x), name="deep")


@section.lesson("7.1.4", "Directed acyclic graphs: residual connections over depth")
def residual_depth(run):
    """Between 10 and 20 layers a plain network stops learning; one with shortcuts goes on."""
    spirals = synthetic.spirals(run.seed)
    depths = (4, 10, 20, 40)
    arms = {
        f"{kind}_{depth}": build_deep_classifier(depth, residual=kind == "residual")
        for kind in ("plain", "residual")
        for depth in depths
    }
    points = spirals.train["point"]
    # Before training: what reaches the first deep layer of the gradient behind the last.
    signal = {
        arm: probes.gradient_ratio(model, ("stem", "body"), points, spirals.train_targets)
        for arm, model in arms.items()
    }
    # Plain SGD: Adam divides each gradient by its size, and so hides how small it has become.
    optimizer = keras.optimizers.SGD(0.03)
    told = run.train(arms, spirals, "binary_crossentropy", optimizer, epochs=20, batch_size=32)
    target = spirals.test_targets
    # 40 layers may diverge.
    reached = {arm: scores.accuracy_as_in_keras(told[arm], target) for arm in arms}

    shallow = abs(reached["residual_4"] - reached["plain_4"])
    gains = {depth: reached[f"residual_{depth}"] - reached[f"plain_{depth}"] for depth in depths}
    plain, residual = reached["plain_20"], reached["residual_20"]
    helps = min((depth for depth, gain in gains.items() if gain > 0.1), default=np.inf)
    unit = "accuracy"
    run.claim(
        "4 layers: the shortcuts change", shallow, unit, at_most=0.03, plain=reached["plain_4"]
    )
    run.claim("20 plain layers", plain, unit, at_most=0.6, chance=0.5)
    deeper = {"40 layers": reached["residual_40"]}
    run.claim("20 layers with shortcuts", residual, unit, at_least=0.95, **deeper)
    run.claim("Shortcuts help from", helps, "layers", at_least=10, at_most=20, book=10)
    unit = "first/last"
    run.claim("20 plain layers: gradient that arrives", signal["plain_20"], unit, at_most=0.01)
    run.claim("20 with shortcuts: gradient that arrives", signal["residual_20"], unit, at_least=1)
    run.diagram(build_identity_residual_block(), "identity_residual_block")
    run.diagram(build_linear_residual_block(), "linear_residual_block")
    run.picture(figures.residual_depth(depths, reached, signal))


# %% 7.1.4 Directed acyclic graphs of layers: the representational bottleneck


def build_bottleneck_classifier(shortcut, units=32, classes=8):
    """A layer of one unit on the way; with `shortcut`, what went into it is added behind it.

    features: (batch, 16). class: (batch, classes), probabilities. 905 parameters either way.
    """
    x = keras.Input((16,), name="features")
    wide = layers.Dense(units, activation="relu", name="wide")(x)
    # Linear: the layer is narrow, and nothing else shall be wrong with it.
    y = layers.Dense(1, name="narrow")(wide)
    y = layers.Dense(units, activation="relu", name="wide_again")(y)
    if shortcut:
        y = layers.add([y, wide], name="sum")
    return keras.Model(x, layers.Dense(classes, activation="softmax", name="class")(y), name="neck")


@section.lesson("7.1.4", "Directed acyclic graphs: the representational bottleneck")
def bottleneck(run):
    """What a narrow layer cannot let through is lost to all behind it, but for a shortcut."""
    clusters = synthetic.clusters(run.seed)
    arms = {
        "without": build_bottleneck_classifier(False),
        "with": build_bottleneck_classifier(True),
    }
    optimizer = keras.optimizers.SGD(0.1)
    told = run.train(
        arms, clusters, "categorical_crossentropy", optimizer, epochs=20, batch_size=32
    )
    reached = {arm: scores.accuracy(told[arm], clusters.test_targets) for arm in arms}
    gain, missing = reached["with"] - reached["without"], clusters.ceiling - reached["with"]
    versus = {"without": reached["without"], "chance": 1 / 8}
    run.claim("A shortcut around one narrow layer gains", gain, "accuracy", at_least=0.12, **versus)
    run.claim(
        "It stays below the ceiling by", missing, "accuracy", at_most=0.06, ceiling=clusters.ceiling
    )
    run.diagram(arms["with"], "bottleneck")
    run.picture(figures.bottleneck(reached, clusters.ceiling))


# %% 7.1.4 Directed acyclic graphs of layers: the carry track of an LSTM


def build_recurrent_classifier(layer, symbols=4):
    """The first symbol of a sequence, from the last output of a recurrent `layer`.

    sequence: (batch, steps, 2 * symbols). symbol: (batch, symbols), probabilities.
    """
    sequence = keras.Input((None, 2 * symbols), name="sequence")
    symbol = layers.Dense(symbols, activation="softmax", name="symbol")(layer(sequence))
    return keras.Model(sequence, symbol, name="recall")


@section.lesson("7.1.4", "Directed acyclic graphs: the carry track of an LSTM")
def carry_track(run):
    """The carry track brings the gradient to the first step if its forget gate is open."""
    recall = synthetic.recall(run.seed)
    steps = recall.train["sequence"].shape[1]
    recurrent = {
        "simple_rnn": layers.SimpleRNN(16),
        "lstm": layers.LSTM(16),
        "open_lstm": layers.LSTM(16),
    }
    arms = {arm: build_recurrent_classifier(layer) for arm, layer in recurrent.items()}
    # Keras starts the forget gate at sigmoid(1) = 0.73 a step; 0.73 ** 40 is 3e-6.
    probes.open_forget_gate(recurrent["open_lstm"], steps)
    few = recall.test["sequence"][:200], recall.test_targets[:200]
    reaching = {arm: probes.gradient_over_time(model, *few) for arm, model in arms.items()}
    optimizer = keras.optimizers.Adam(0.005)
    told = run.train(arms, recall, "categorical_crossentropy", optimizer, epochs=10, batch_size=64)
    reached = {arm: scores.accuracy(told[arm], recall.test_targets) for arm in arms}

    first = {arm: curve[0] for arm, curve in reaching.items()}
    unit = "first/last"
    versus = {"SimpleRNN": first["simple_rnn"]}
    run.claim(
        "LSTM: gradient at the first of 40 steps", first["lstm"], unit, at_most=0.01, **versus
    )
    sentence, lstm = "LSTM, forget gate open: gradient at the first", first["lstm"]
    run.claim(sentence, first["open_lstm"], unit, at_least=0.3, LSTM=lstm)
    versus = {"LSTM": reached["lstm"], "SimpleRNN": reached["simple_rnn"], "chance": 0.25}
    run.claim(
        "Open, it recalls the first symbol",
        reached["open_lstm"],
        "accuracy",
        at_least=0.95,
        **versus,
    )
    run.picture(figures.carry_track(reaching, reached))


# %% 7.1.5 Layer weight sharing: a Siamese LSTM


def build_siamese_lstm(shared=True, symmetric=True, length=None):
    """How far two sentences say the same, from 0 to 1.

    left, right: (batch, length, 128) word vectors. score: (batch, 1). `shared`: one LSTM called on
    both inputs, as in the book, or one for each. `symmetric`: merge so that the order of the
    sentences cannot matter, or as printed. `length`: any number of words, as in the book; a fixed
    one lets the LSTM unroll, which computes the same and trains faster.
    """
    left_input = keras.Input((length, 128), name="left")
    right_input = keras.Input((length, 128), name="right")
    lstm = layers.LSTM(32, unroll=length is not None, name="lstm")
    second = lstm if shared else layers.LSTM(32, unroll=length is not None, name="second_lstm")
    left_output = lstm(left_input)  # (batch, 32)
    right_output = second(right_input)  # the same weights again, when shared
    if symmetric:
        # Book: concatenate and Dense(1). That is not symmetric, and being linear in each of the
        # two encodings it cannot say "the same" (A10); a distance and a product can.
        distance = keras.ops.abs(layers.subtract([left_output, right_output], name="difference"))
        product = layers.multiply([left_output, right_output], name="product")
        merged = layers.concatenate([distance, product], axis=-1, name="merged")  # (batch, 64)
    else:
        merged = layers.concatenate([left_output, right_output], axis=-1, name="merged")
    score = layers.Dense(1, activation="sigmoid", name="score")(merged)
    return keras.Model([left_input, right_input], score, name="siamese_lstm")


def score_all_pairs(siamese, sentences):
    """The score of each pair of `sentences`, (count, length, 128), in the order of triu_indices.

    Each sentence is encoded once, and only the small head sees pairs: a shared LSTM makes that
    possible, and with a symmetric head one score for each pair is enough.
    """
    encodings = siamese.get_layer("difference").input  # of the left and of the right sentence
    encoder = keras.Model(siamese.inputs[0], encodings[0])
    head = keras.Model(encodings, siamese.output)
    encoded = encoder(sentences).numpy()  # (count, 32)
    first, second = np.triu_indices(len(sentences), k=1)
    return head([encoded[first], encoded[second]]).numpy()[:, 0]


@section.lesson("7.1.5", "Layer weight sharing: a Siamese LSTM")
def siamese_lstm(run):
    """One LSTM for both sentences learns more from the same pairs than two; it finds duplicates."""
    run.diagram(build_siamese_lstm(), "siamese_lstm")
    sentences = synthetic.sentences(run.seed)
    length = sentences.train["left"].shape[1]
    arms = {
        "shared": build_siamese_lstm(length=length),
        "separate": build_siamese_lstm(shared=False, length=length),
        "as_printed": build_siamese_lstm(symmetric=False, length=length),
    }
    # Book: fit without compile (A11).
    optimizer = keras.optimizers.Adam(0.02)
    loss = "binary_crossentropy"
    told = run.train(arms, sentences, loss, optimizer, epochs=10, batch_size=250)
    swapped = {arm: model(sentences.swapped).numpy() for arm, model in arms.items()}
    reached = {arm: scores.accuracy(told[arm], sentences.test_targets) for arm in arms}
    moved = {arm: np.abs(told[arm] - swapped[arm]).max() for arm in arms}
    within = np.mean((told["shared"] >= 0) & (told["shared"] <= 1))

    # Few of all pairs in a list are duplicates, so 0.5, which suits the balanced pairs of the
    # training, finds far too many: the threshold is chosen on another list.
    practice, queries = (
        score_all_pairs(arms["shared"], part.sentences)
        for part in (sentences.practice, sentences.queries)
    )
    duplicate = sentences.queries.duplicate
    threshold = scores.best_threshold(practice, sentences.practice.duplicate)
    precision, recall = scores.precision_and_recall(queries >= threshold, duplicate)
    careless, _ = scores.precision_and_recall(queries >= 0.5, duplicate)

    gain = reached["shared"] - reached["separate"]
    versus = {"separate LSTMs": reached["separate"], "chance": 0.5}
    run.claim(
        "Same or not: one shared LSTM", reached["shared"], "accuracy", at_least=0.94, **versus
    )
    run.claim("It gains on two LSTMs, from the same pairs,", gain, "accuracy", at_least=0.12)
    run.claim(
        "With the head as printed", reached["as_printed"], "accuracy", at_most=0.6, chance=0.5
    )
    versus = {"as printed": moved["as_printed"], "separate LSTMs": moved["separate"]}
    run.claim(
        "Swapping the sentences changes the score by", moved["shared"], "", at_most=0, **versus
    )
    run.claim("The score lies between 0 and 1 for", within, "of the pairs", exactly=1)
    versus = {"any pair": duplicate.mean(), "threshold 0.5": careless}
    run.claim("Duplicate queries: of those found, right are", precision, "", at_least=0.4, **versus)
    run.claim("Duplicate queries: of all there are, found are", recall, "", at_least=0.5)
    run.picture(figures.siamese_lstm(reached, queries, duplicate, threshold))


# %% 7.1.6 Models as layers: two eyes


def build_siamese_xception(input_shape=(250, 250, 3)):
    """The book's two cameras: one Xception base called twice; 20,861,480 parameters, once.

    left, right: (batch, 250, 250, 3). features: (batch, 8, 8, 4096).
    """
    xception_base = keras.applications.Xception(weights=None, include_top=False)
    left_input = keras.Input(input_shape, name="left")
    right_input = keras.Input(input_shape, name="right")
    left_features = xception_base(left_input)
    # Book: right_input = xception_base(right_input), which loses the input (A12).
    right_features = xception_base(right_input)
    merged_features = layers.concatenate([left_features, right_features], axis=-1, name="merged")
    return keras.Model([left_input, right_input], merged_features, name="siamese_xception")


def build_eye(name):
    """A convolutional base that trains in seconds: (batch, 24, 24, 1) to (batch, 20, 20, 16)."""
    picture = keras.Input((24, 24, 1), name="picture")
    x = layers.Conv2D(8, 5, activation="relu")(picture)
    x = layers.Conv2D(16, 1, activation="relu")(x)
    return keras.Model(picture, x, name=name)


def build_stereo(eyes="shared"):
    """The disparity of what two eyes see, in pixels: the nearer a thing, the larger.

    left, right: (batch, 24, 24, 1). disparity: (batch, 1). `eyes`: "shared" calls one base on both
    pictures, "separate" has a base for each, "one" has the left picture only.
    """
    left_input = keras.Input((24, 24, 1), name="left")
    eye = build_eye("eye")
    inputs, features = [left_input], eye(left_input)  # (batch, 20, 20, 16)
    if checks.one_of(("shared", "separate", "one"), eyes=eyes) != "one":
        right_input = keras.Input((24, 24, 1), name="right")
        second = eye if eyes == "shared" else build_eye("second_eye")
        inputs.append(right_input)
        # Merged before pooling: where each eye sees a thing is what tells how far away it is.
        features = layers.concatenate([features, second(right_input)], name="merged")
    # The eyes lie side by side, so a row is compared with itself; 9 pixels span a shift of 7.
    x = layers.Conv2D(32, (1, 9), activation="relu", name="compare")(features)
    x = layers.GlobalAveragePooling2D(name="pooled")(x)  # (batch, 32)
    # From the mean disparity: started at 0, whether a model learned at all depended on the seed.
    start = keras.initializers.Constant(3.5)
    disparity = layers.Dense(1, bias_initializer=start, name="disparity")(x)
    return keras.Model(inputs, disparity, name="stereo")


@section.lesson("7.1.6", "Models as layers: two eyes, one convolutional base")
def two_eyes(run):
    """A base called on two pictures sees depth that is in neither; its weights count once."""
    pairs = synthetic.stereo_pairs(run.seed)
    arms = {eyes: build_stereo(eyes) for eyes in ("shared", "separate", "one")}
    optimizer = keras.optimizers.Adam(0.003)
    told = run.train(arms, pairs, "mse", optimizer, epochs=10, batch_size=50)
    error = {arm: np.abs(told[arm] - pairs.test_targets).mean() for arm in arms}
    chance = np.abs(pairs.train_targets.mean() - pairs.test_targets).mean()
    behind = error["shared"] - error["separate"]
    xception = build_siamese_xception()
    base = next(layer for layer in xception.layers if isinstance(layer, keras.Model))

    versus, unit = {"always the mean": chance}, "pixels"
    run.claim("One base for two eyes: mean error", error["shared"], unit, at_most=0.7, **versus)
    run.claim("One eye: mean error", error["one"], unit, at_least=1.9, **versus)
    run.claim(
        "A base for each eye is better by", behind, unit, at_most=0.25, its_error=error["separate"]
    )
    versus = {"Xception alone": base.count_params()}
    run.claim(
        "Two calls of Xception have",
        xception.count_params(),
        "parameters",
        exactly=20_861_480,
        **versus,
    )
    run.diagram(arms["shared"], "stereo")
    run.diagram(xception, "siamese_xception")
    run.picture(figures.two_eyes(told, pairs.test_targets, error, chance))


# %% 7.1.7 Wrapping up


@section.lesson("7.1.7", "Wrapping up: the section at a glance", summary=True)
def at_a_glance(run):
    """Every claim of the section in one picture; asking for this lesson runs them all."""
    run.picture(figures.scorecard(run.claims, "Section 7.1: every claim, measured"))


if __name__ == "__main__":
    section.main()
