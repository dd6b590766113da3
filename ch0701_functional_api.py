"""Section 7.1 of "Deep Learning with Python": the Keras functional API.

A lesson is a cell (`# %%`): the book's listing, its training in plain Keras, and an experiment on
synthetic data (`section.load`: or on real data). `section.lesson` is true where the lesson is to
run; `compare.fit` trains other models as `like` was trained. Run a cell, change something, run it
again; or run the script, with `7.1.5` or `siamese_lstm` for one lesson, `--list` for all of them.
`# Book:` marks where the code differs from print (A1 to B21: docs/errata.md).
"""

from ch07 import lab  # first: it checks the installation

# isort: split
import keras
import numpy as np
from keras import layers

from ch07 import compare, data, inspection, metrics
from ch07.plots import functional_api as plots

section = lab.Section("ch0701_functional_api")


# %% 7.1.1 Introduction to the functional API
def build_sequential():
    """The stack of section 7.1.1 as a Sequential model: (batch, 64) to (batch, 10)."""
    model = keras.Sequential(name="sequential")
    model.add(keras.Input((64,), name="vector"))  # Book: input_shape= on the first layer (B20)
    model.add(layers.Dense(32, activation="relu", name="hidden_1"))
    model.add(layers.Dense(32, activation="relu", name="hidden_2"))
    model.add(layers.Dense(10, activation="softmax", name="class"))
    return model


def build_functional():
    """The same stack with the functional API: (batch, 64) to (batch, 10), 3,466 parameters."""
    input_tensor = keras.Input((64,), name="vector")
    x = layers.Dense(32, activation="relu", name="hidden_1")(input_tensor)
    x = layers.Dense(32, activation="relu", name="hidden_2")(x)
    output_tensor = layers.Dense(10, activation="softmax", name="class")(x)
    return keras.Model(input_tensor, output_tensor, name="functional")


if section.lesson("7.1.1", "sequential_and_functional"):
    # Book: the targets are random numbers, which nothing can learn (A6).
    vectors = data.vector_classes(section.seed)
    x, y = vectors.train, vectors.train_targets
    sequential, model = build_sequential(), build_functional()
    model.compile("rmsprop", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=128, verbose=0, callbacks=[section.progress("the model")])
    loss, learned = model.evaluate(vectors.test, vectors.test_targets, verbose=0)
    others = compare.fit({"Sequential": sequential}, vectors, like=model, batch_size=128)
    others["chance"] = 0.1
    # A Model is what lies between its inputs and its outputs: without a path there is none.
    try:
        keras.Model(keras.Input((32,), name="unrelated"), model.output)
    except ValueError as error:  # Book: RuntimeError, "Graph disconnected" (B10)
        section.say(f"An input without a path to the output is refused: {error}")
    section.claim("Ten epochs teach it", learned, "accuracy", at_least=0.5, compared_with=others)
    section.diagram(model)
    section.picture(plots.sequential_and_functional(others | {"functional": learned}), vectors)
    section.remember()


# %% 7.1.2 Multi-input models: question answering (listings 7.1 and 7.2)
def build_question_answering(text_words=10_000, question_words=10_000, answers=500):
    """Listing 7.1: (batch, answers) from a text and a question about it; 1,000,052 parameters."""
    text_input = keras.Input((None,), dtype="int32", name="text")  # (batch, words)
    # Book: early printings swap the arguments, which builds and then cannot be trained (A2).
    embedded_text = layers.Embedding(text_words, 64, name="text_words")(text_input)
    encoded_text = layers.LSTM(32, name="text_lstm")(embedded_text)  # (batch, 32)
    question_input = keras.Input((None,), dtype="int32", name="question")
    embed_question = layers.Embedding(question_words, 32, name="question_words")
    encoded_question = layers.LSTM(16, name="question_lstm")(embed_question(question_input))
    concatenated = layers.concatenate([encoded_text, encoded_question], axis=-1, name="merged")
    answer = layers.Dense(answers, activation="softmax", name="answer")(concatenated)
    return keras.Model([text_input, question_input], answer, name="question_answering")


if section.lesson("7.1.2", "question_answering"):
    stories = section.load(data.questions)
    model = build_question_answering(*stories.vocabulary_size)
    # The book's rmsprop, at ten times its default rate: then six epochs are enough.
    model.compile(keras.optimizers.RMSprop(0.01), "categorical_crossentropy", metrics=["accuracy"])
    # Book: randint(0, 1) makes one-hot answers of zeros only, and a loss of exactly 0 (A5).
    text, question, answer = stories.train["text"], stories.train["question"], stories.train_targets
    how = {"epochs": 3, "batch_size": 250, "verbose": 0}
    # Listing 7.2: the inputs as a list in the order of the model's, or as a dict by their names.
    model.fit([text, question], answer, **how, callbacks=[section.progress("by list")])
    inputs = {"text": text, "question": question}
    model.fit(inputs, answer, **how, callbacks=[section.progress("by dict")])
    loss, both = model.evaluate(stories.test, stories.test_targets, verbose=0)
    # What does one input tell alone? Its branch, with new weights.
    models = {"text": compare.one_branch(model, 0), "question": compare.one_branch(model, 1)}
    alone = compare.fit(models, stories, like=model, epochs=6, callbacks=[section.progress("one")])
    possible = {"best possible": stories.best_possible["text"]}
    section.claim("The text alone", alone["text"], "accuracy", at_most=0.67, compared_with=possible)
    section.claim("Text and question", both, "accuracy", at_least=0.67, compared_with=alone)
    section.diagram(model)
    section.picture(plots.question_answering(alone | {"both": both}, stories), stories)
    section.remember()


# %% 7.1.2 Multi-input models: a price from three kinds of data
def build_price_model(vocabulary_size):
    """A price, (batch, 1), from a picture, a text and five numbers, each by layers of its kind."""
    picture = keras.Input((16, 16, 1), name="picture")
    texture = layers.Conv2D(16, 3, activation="relu", name="texture")(picture)
    texture = layers.GlobalAveragePooling2D(name="average")(texture)  # (batch, 16)
    description = keras.Input((None,), dtype="int32", name="description")
    words = layers.Embedding(vocabulary_size, 16, name="words")(description)
    words = layers.GlobalMaxPooling1D(name="any_word")(words)  # (batch, 16)
    attributes = keras.Input((5,), name="attributes")
    facts = layers.Dense(16, activation="relu", name="facts")(attributes)  # (batch, 16)
    merged = layers.concatenate([texture, words, facts], axis=-1, name="merged")
    hidden = layers.Dense(32, activation="relu", name="hidden")(merged)
    price = layers.Dense(1, name="price")(hidden)
    return keras.Model([picture, description, attributes], price, name="price_model")


if section.lesson("7.1.2", "multimodal"):
    garments = data.garments(section.seed)
    x, y, y_test = garments.train, garments.train_targets, garments.test_targets
    joint = build_price_model(garments.vocabulary_size)
    joint.compile(keras.optimizers.Adam(0.004), "mse", metrics=["r2_score"])
    joint.fit(x, y, epochs=8, batch_size=64, verbose=0, callbacks=[section.progress("jointly")])
    loss, explained = joint.evaluate(garments.test, y_test, verbose=0)
    # Separate models can only be mixed: here by the best weights, fitted on the test prices.
    models = {name: compare.one_branch(joint, at) for at, name in enumerate(x)}
    others = compare.fit(models, garments, like=joint, callbacks=[section.progress("separately")])
    prices = [models[name].predict(garments.test[name], verbose=0) for name in models]
    others["best mix"] = metrics.r2(metrics.best_mix(prices, y_test), y_test)
    section.claim("Learned jointly", explained, "R2", at_least=0.81, compared_with=others)
    section.diagram(joint)
    section.picture(plots.multimodal(garments, others | {"joint": explained}), garments)
    section.remember()


# %% 7.1.3 Multi-output models: the builder of the next two lessons (listing 7.3)
def build_profile_model(vocabulary_size=50_000, groups=10, width=256, start="glorot_uniform"):
    """Listing 7.3, 14,146,316 parameters; `start`: how the convolutions are initialized."""
    posts_input = keras.Input((None,), dtype="int32", name="posts")  # (batch, words)
    # Book: Embedding(256, vocabulary_size) knows 256 words and has 45,982,476 parameters (A3).
    x = layers.Embedding(vocabulary_size, width, name="words")(posts_input)
    # Book: without padding, posts of fewer than 269 words are refused (A4).
    how = {"padding": "same", "activation": "relu", "kernel_initializer": start}
    x = layers.Conv1D(width // 2, 5, name="conv_1", **how)(x)
    x = layers.MaxPooling1D(5, padding="same", name="pool_1")(x)
    x = layers.Conv1D(width, 5, name="conv_2", **how)(x)
    x = layers.Conv1D(width, 5, name="conv_3", **how)(x)
    x = layers.MaxPooling1D(5, padding="same", name="pool_2")(x)
    x = layers.Conv1D(width, 5, name="conv_4", **how)(x)
    x = layers.Conv1D(width, 5, name="conv_5", **how)(x)
    x = layers.GlobalMaxPooling1D(name="pool_3")(x)  # (batch, width)
    x = layers.Dense(width // 2, activation="relu", name="dense")(x)
    age = layers.Dense(1, name="age")(x)  # (batch, 1), years
    income = layers.Dense(groups, activation="softmax", name="income")(x)
    gender = layers.Dense(1, activation="sigmoid", name="gender")(x)
    return keras.Model(posts_input, [age, income, gender], name="profile")


# %% 7.1.3 Multi-output models: losses of different size (listings 7.4 to 7.6)
if section.lesson("7.1.3", "loss_weights"):
    posts = section.load(data.posts)
    # He initialization keeps the signal through five relu convolutions: few epochs are enough.
    sizes = posts.vocabulary_size, posts.train_targets["income"].shape[1], 32, "he_normal"
    profile, balanced = build_profile_model(*sizes), build_profile_model(*sizes)
    how = {"epochs": 7, "batch_size": 64, "verbose": 0}
    # Losses and targets as a list in the order of the outputs ...
    losses = ["mse", "categorical_crossentropy", "binary_crossentropy"]
    # Book: metrics=['acc'] is refused where there are several outputs (B11).
    right = {"income": "accuracy", "gender": "accuracy"}
    profile.compile(keras.optimizers.Adam(0.003), losses, metrics=right)
    start = profile.evaluate(posts.test, posts.test_targets, verbose=0, return_dict=True)
    targets = [posts.train_targets[name] for name in profile.output_names]
    profile.fit(posts.train, targets, **how, callbacks=[section.progress("unweighted")])
    plain = profile.evaluate(posts.test, posts.test_targets, verbose=0, return_dict=True)
    # ... or as a dict by their names, here with weights. Squared years start near 2,600 (book: 3 to
    # 5): a thousandth is of the size of guessing one of ten, ln 10 = 2.3, and of two, ln 2 = 0.7.
    losses = {"age": "mse", "income": losses[1], "gender": losses[2]}
    weights = {"age": 0.001, "income": 1.0, "gender": 1.0}  # Book: 0.25, 1 and 10
    balanced.compile(keras.optimizers.Adam(0.003), losses, weights, metrics=right)
    balanced.fit(posts.train, posts.train_targets, **how, callbacks=[section.progress("weighted")])
    score = balanced.evaluate(posts.test, posts.test_targets, verbose=0, return_dict=True)
    share = start["age_loss"] / sum(start[f"{name}_loss"] for name in weights)
    section.claim("Unweighted, the age's share of the loss", share, at_least=0.67)
    others = {"unweighted": plain["income_accuracy"], "chance": 1 / sizes[1]}
    learned = score["income_accuracy"]
    section.claim("Weighted, the income", learned, "accuracy", at_least=0.47, compared_with=others)
    section.diagram(profile)
    section.picture(plots.loss_weights(posts, start, weights, plain, score), posts)
    section.remember()

# %% 7.1.3 Multi-output models: correlated targets
if section.lesson("7.1.3", "correlated_targets"):
    phrases = section.load(data.phrases)
    together = build_profile_model(phrases.vocabulary_size, 10, 32, "he_normal")
    losses = {"age": "mse", "income": "categorical_crossentropy", "gender": "binary_crossentropy"}
    shares = {"age": 1.0, "income": 1.0, "gender": 0.3}  # at 1.0 it may learn its few by heart
    together.compile(keras.optimizers.Adam(0.002), losses, shares, metrics={"gender": "accuracy"})
    # Age in decades: no small weight. Gender known of 50 in 3,000: as samples the others weigh 0.
    x, y, weights = phrases.train, [*phrases.train_targets.values()], [*phrases.weights.values()]
    how = {"epochs": 10, "batch_size": 64, "sample_weight": weights, "verbose": 0}
    together.fit(x, y, **how, callbacks=[section.progress("with age and income")])
    *losses, right = together.evaluate(phrases.test, phrases.test_targets, verbose=0)
    gender = keras.Model(together.input, together.get_layer("gender").output)
    models = {"alone": keras.models.clone_model(gender)}
    how = {"sample_weight": phrases.weights, "callbacks": [section.progress("alone")]}
    others = compare.fit(models, phrases, like=together, **how) | {"chance": 0.5}
    section.claim("Gender, learned jointly", right, "accuracy", at_least=0.77, compared_with=others)
    section.picture(plots.correlated_targets(phrases, others | {"together": right}), phrases)
    section.remember()


# %% 7.1.4 Directed acyclic graphs of layers: Inception modules
def build_inception_module(image_shape=(32, 32, 3), filters=128):
    """The book's module: an image through four branches to half its size, 4 * filters channels."""
    # Book: without padding the branches come out 16, 15, 13 and 14 wide, and do not merge (A7).
    how = {"padding": "same", "activation": "relu"}
    x = keras.Input(image_shape, name="image")
    branch_a = layers.Conv2D(filters, 1, strides=2, name="a_1x1", **how)(x)
    branch_b = layers.Conv2D(filters, 1, name="b_1x1", **how)(x)
    branch_b = layers.Conv2D(filters, 3, strides=2, name="b_3x3", **how)(branch_b)
    branch_c = layers.AveragePooling2D(3, strides=2, padding="same", name="c_average")(x)
    branch_c = layers.Conv2D(filters, 3, name="c_3x3", **how)(branch_c)
    branch_d = layers.Conv2D(filters, 1, name="d_1x1", **how)(x)
    branch_d = layers.Conv2D(filters, 3, name="d_3x3_first", **how)(branch_d)
    branch_d = layers.Conv2D(filters, 3, strides=2, name="d_3x3", **how)(branch_d)
    output = layers.concatenate([branch_a, branch_b, branch_c, branch_d], axis=-1, name="merged")
    return keras.Model(x, output, name="inception_module")


def build_scale_classifier(filters):
    """A module, a mean over all positions, three yes-or-no answers: colour, fine, coarse."""
    module = build_inception_module((16, 16, 3), filters)
    x = layers.GlobalAveragePooling2D(name="pooled")(module.output)
    return keras.Model(module.input, layers.Dense(3, activation="sigmoid", name="scales")(x))


if section.lesson("7.1.4", "inception"):
    images = data.scales(section.seed)
    x, y = images.train, images.train_targets
    model = build_scale_classifier(filters=8)
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    model.fit(x, y, epochs=6, batch_size=32, verbose=0, callbacks=[section.progress("the module")])
    # Each branch alone, so wide that it has the parameters of the module to within 6 %.
    widths = {"a": 310, "b": 15, "c": 70, "d": 11}.items()
    classifiers = {name: build_scale_classifier(width) for name, width in widths}
    models = {name: compare.one_branch(classifiers[name], "abcd".index(name)) for name in "abcd"}
    compare.fit(models, images, like=model, callbacks=[section.progress("each branch alone")])
    accuracy = inspection.accuracy_by_question({"module": model} | models, images)
    worst = {name: min(of_scales) for name, of_scales in accuracy.items()}
    best, module = {"best branch alone": max(worst[name] for name in "abcd")}, worst["module"]
    section.claim("Worst of three scales", module, "accuracy", at_least=0.83, compared_with=best)
    section.diagram(build_inception_module())
    section.picture(plots.inception(images, accuracy), images)
    section.remember()


# %% 7.1.4 Directed acyclic graphs of layers: 1x1 convolutions
def build_convolution(size):
    """One convolution, averaged over the image, and a sigmoid for each of three questions."""
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(64, size, padding="same", activation="relu", name="convolution")(image)
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(image, layers.Dense(3, activation="sigmoid", name="scales")(x))


if section.lesson("7.1.4", "pointwise"):
    images = data.scales(section.seed)
    x, y = images.train, images.train_targets
    pointwise, three = build_convolution(1), build_convolution(3)
    pointwise.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    pointwise.fit(x, y, epochs=7, batch_size=32, verbose=0, callbacks=[section.progress("1x1")])
    compare.fit({"3x3": three}, images, like=pointwise, callbacks=[section.progress("3x3")])
    accuracy = inspection.accuracy_by_question({"1x1": pointwise, "3x3": three}, images)
    (colour, stripes, _), others = accuracy["1x1"], {"3x3": accuracy["3x3"][1], "chance": 0.5}
    section.claim("1x1 sees no neighbours", stripes, "accuracy", at_most=0.75, compared_with=others)
    others = {"3x3": accuracy["3x3"][0], "chance": 0.5}
    section.claim("1x1 mixes channels", colour, "accuracy", at_least=0.75, compared_with=others)
    section.picture(plots.pointwise(images, pointwise, accuracy), images)
    section.remember()


# %% 7.1.4 Directed acyclic graphs of layers: residual connections
def build_identity_residual_block(feature_shape=(32, 32, 128), filters=128):
    """Three 3x3 convolutions, and what went into them added: the shape stays as it is."""
    # Book: x is the image; 3 channels do not add to 128, 1 is added to all without error (A8).
    x = keras.Input(feature_shape, name="features")
    y = layers.Conv2D(filters, 3, activation="relu", padding="same", name="conv_1")(x)
    y = layers.Conv2D(filters, 3, activation="relu", padding="same", name="conv_2")(y)
    y = layers.Conv2D(filters, 3, activation="relu", padding="same", name="conv_3")(y)
    return keras.Model(x, layers.add([y, x], name="sum"), name="identity_residual_block")


def build_linear_residual_block(feature_shape=(32, 32, 128), filters=128):
    """Two 3x3 convolutions, a pool, and what went in added through a strided 1x1 convolution."""
    x = keras.Input(feature_shape, name="features")
    y = layers.Conv2D(filters, 3, activation="relu", padding="same", name="conv_1")(x)
    y = layers.Conv2D(filters, 3, activation="relu", padding="same", name="conv_2")(y)
    # Book: a pool without padding makes 16 of 33, the shortcut 17 (A9).
    y = layers.MaxPooling2D(2, strides=2, padding="same", name="pool")(y)
    residual = layers.Conv2D(filters, 1, strides=2, padding="same", name="shortcut")(x)
    return keras.Model(x, layers.add([y, residual], name="sum"), name="linear_residual_block")


def build_deep_classifier(depth, features=2, linear=False, units=16):
    """`depth` Dense layers with shortcuts from "stem" to "body"; gives (batch, 1) probabilities."""
    point = keras.Input((features,), name="point")
    x = layers.Dense(units, activation="relu", name="stem")(point)
    for _ in range(depth // 2):
        y = layers.Dense(units, activation="relu", use_bias=False)(x)
        y = layers.Dense(units, activation="relu", use_bias=False)(y)
        x = layers.add([y, layers.Dense(units, use_bias=False)(x) if linear else x])
    x = layers.Identity(name="body")(x)
    return keras.Model(point, layers.Dense(1, activation="sigmoid", name="side")(x), name="deep")


if section.lesson("7.1.4", "residual_depth"):
    spirals = section.load(data.spirals)
    x, y, shape = spirals.train, spirals.train_targets, spirals.shape
    models = {f"residual {depth}": build_deep_classifier(depth, *shape) for depth in (4, 10, 20)}
    models["linear 20"] = build_deep_classifier(20, *shape, linear=True)
    # Of [y, x] only y, number 0, and not the shortcut x: the same layers, plain.
    models |= {f"plain {n}": compare.one_branch(models[f"residual {n}"], 0) for n in (4, 10, 20)}
    # Before training: the gradient at the first of the layers over that at the last.
    arrives = inspection.gradient_ratio
    gradient = {name: arrives(of, ("stem", "body"), x, y) for name, of in models.items()}
    deep = models.pop("residual 20")
    # SGD: Adam divides each gradient by its size, and so hides how small it has become.
    deep.compile(keras.optimizers.SGD(0.03), "binary_crossentropy", metrics=["accuracy"])
    deep.fit(x, y, epochs=15, batch_size=32, verbose=0, callbacks=[section.progress("20 layers")])
    loss, learned = deep.evaluate(spirals.test, spirals.test_targets, verbose=0)
    accuracy = compare.fit(models, spirals, like=deep, callbacks=[section.progress("the others")])
    shrinks = -np.log10(gradient["plain 20"])
    section.claim("20 plain layers shrink the gradient by", shrinks, "powers of ten", at_least=1.5)
    plain = {"plain": accuracy["plain 20"], "chance": 0.5}
    section.claim("20 residual layers", learned, "accuracy", at_least=0.75, compared_with=plain)
    linear = accuracy["linear 20"]
    section.claim("With linear shortcuts", linear, "accuracy", at_least=0.75, compared_with=plain)
    section.diagram(build_identity_residual_block())
    section.diagram(build_linear_residual_block())
    section.picture(plots.residual_depth(accuracy | {"residual 20": learned}, gradient), spirals)
    section.remember()


# %% 7.1.4 Directed acyclic graphs of layers: the representational bottleneck
def build_bottleneck_classifier(features=16, classes=8, narrow=1, units=32):
    """A narrow layer on the way, and a shortcut around it: (batch, 16) points to (batch, 8)."""
    x = keras.Input((features,), name="features")
    wide = layers.Dense(units, activation="relu", name="wide")(x)
    # Linear: the layer is narrow, and nothing else shall be wrong with it.
    y = layers.Dense(narrow, name="narrow")(wide)
    y = layers.Dense(units, activation="relu", name="wide_again")(y)
    y = layers.add([y, wide], name="sum")
    kind = layers.Dense(classes, activation="softmax", name="class")(y)
    return keras.Model(x, kind, name="bottleneck")


if section.lesson("7.1.4", "bottleneck"):
    clusters = section.load(data.clusters)
    x, y = clusters.train, clusters.train_targets
    model = build_bottleneck_classifier(*clusters.shape, clusters.classes)
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=20, batch_size=32, verbose=0, callbacks=[section.progress("shortcut")])
    loss, kept = model.evaluate(clusters.test, clusters.test_targets, verbose=0)
    models = {"without": compare.one_branch(model, 0)}
    others = compare.fit(models, clusters, like=model, callbacks=[section.progress("without")])
    others["best possible"] = clusters.best_possible
    section.claim("With a shortcut", kept, "accuracy", at_least=0.79, compared_with=others)
    section.diagram(model)
    section.picture(plots.bottleneck(others | {"with": kept}), clusters)
    section.remember()


# %% 7.1.4 Directed acyclic graphs of layers: the carry track of an LSTM
def build_recurrent_classifier(layer):
    """From the last output of a recurrent `layer`: (batch, steps, 8) to (batch, 4) symbols."""
    sequence = keras.Input((None, 8), name="sequence")
    symbol = layers.Dense(4, activation="softmax", name="symbol")(layer(sequence))
    return keras.Model(sequence, symbol, name="recall")


if section.lesson("7.1.4", "carry_track"):
    recall = data.recall(section.seed)
    x, y = recall.train, recall.train_targets
    recurrent = {"open": layers.LSTM(16), "LSTM": layers.LSTM(16), "RNN": layers.SimpleRNN(16)}
    models = {name: build_recurrent_classifier(layer) for name, layer in recurrent.items()}
    # Keras starts the forget gate at sigmoid(1) = 0.73, and 0.73 ** 39 is 5e-6; here at 39/40.
    inspection.open_forget_gate(recurrent["open"], steps=40)
    # Before training: the gradient at each step over that at the last.
    few = recall.test[:200], recall.test_targets[:200]
    gradient = {name: inspection.gradient_over_time(models[name], *few) for name in models}
    lstm = models.pop("open")
    adam = keras.optimizers.Adam(0.005, clipnorm=1)  # gate open, a gradient can also explode
    lstm.compile(adam, "categorical_crossentropy", metrics=["accuracy"])
    lstm.fit(x, y, epochs=10, batch_size=50, verbose=0, callbacks=[section.progress("open gate")])
    loss, recalled = lstm.evaluate(recall.test, recall.test_targets, verbose=0)
    others = compare.fit(models, recall, like=lstm, callbacks=[section.progress("LSTM | RNN")])
    shrinks = -np.log10(gradient["LSTM"][0])
    section.claim("40 steps shrink an LSTM's gradient by", shrinks, "powers of ten", at_least=1.5)
    others["chance"] = 0.25
    section.claim("Forget gate open", recalled, "accuracy", at_least=0.75, compared_with=others)
    section.picture(plots.carry_track(gradient, others | {"open": recalled}), recall)
    section.remember()


# %% 7.1.5 Layer weight sharing: a Siamese LSTM
def build_siamese_lstm(length=None, features=128):
    """How far two sentences, (batch, length, 128) each, say the same: (batch, 1), from 0 to 1."""
    # A length that is known lets the LSTM unroll: it computes the same, and trains faster.
    lstm = layers.LSTM(32, unroll=length is not None, name="lstm")
    left_input = keras.Input((length, features), name="left")
    left_output = lstm(left_input)  # (batch, 32)
    right_input = keras.Input((length, features), name="right")
    right_output = lstm(right_input)  # the same weights again
    # Book: concatenate and Dense(1). That is not symmetric, and being linear in each of the two
    # encodings it cannot say "the same" (A10); a distance and a product can.
    distance = keras.ops.abs(layers.subtract([left_output, right_output], name="difference"))
    product = layers.multiply([left_output, right_output], name="product")
    merged = layers.concatenate([distance, product], axis=-1, name="merged")  # (batch, 64)
    score = layers.Dense(1, activation="sigmoid", name="score")(merged)
    return keras.Model([left_input, right_input], score, name="siamese_lstm")


if section.lesson("7.1.5", "siamese_lstm"):
    sentences = section.load(data.sentences)
    x, y = sentences.train, sentences.train_targets
    siamese = build_siamese_lstm(*sentences.shape)
    # Book: fit without compile (A11).
    siamese.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    siamese.fit(x, y, epochs=7, batch_size=250, verbose=0, callbacks=[section.progress("shared")])
    loss, shared = siamese.evaluate(sentences.test, sentences.test_targets, verbose=0)
    # Compared: an LSTM for each sentence; the head as printed. Both have new weights (clone_model).
    encoded = layers.concatenate(siamese.get_layer("difference").input)
    printed = keras.Model(siamese.inputs, layers.Dense(1, activation="sigmoid")(encoded))
    models = {"two LSTMs": compare.without_sharing(siamese)}
    models["head as printed"] = keras.models.clone_model(printed)
    others = compare.fit(models, sentences, like=siamese, callbacks=[section.progress("others")])
    # Which of 70 queries ask the same? The threshold was chosen on another list of queries.
    duplicates = inspection.find_duplicates(siamese, sentences)
    chance = {"shared": shared, "chance": 0.5}
    section.claim("One shared LSTM", shared, "accuracy", at_least=0.84, compared_with=others)
    printed = others["head as printed"]
    section.claim("The head as printed", printed, "accuracy", at_most=0.74, compared_with=chance)
    right, pairs = duplicates["precision"], {"among all pairs": duplicates["share"]}
    section.claim("Duplicates among pairs found", right, at_least=0.33, compared_with=pairs)
    section.diagram(siamese)
    section.picture(plots.siamese_lstm(others | {"shared": shared}, duplicates), sentences)
    section.remember()


# %% 7.1.6 Models as layers: two eyes
def build_siamese_xception(input_shape=(250, 250, 3)):
    """The book's two cameras, one Xception base called twice: 20,861,480 parameters, once."""
    xception_base = keras.applications.Xception(weights=None, include_top=False)
    left_input = keras.Input(input_shape, name="left")
    right_input = keras.Input(input_shape, name="right")
    left_features = xception_base(left_input)
    # Book: right_input = xception_base(right_input), which loses the input (A12).
    right_features = xception_base(right_input)
    merged_features = layers.concatenate([left_features, right_features], axis=-1, name="merged")
    return keras.Model([left_input, right_input], merged_features, name="siamese_xception")


def build_stereo():
    """The shift between what two eyes see, (batch, 24, 24, 1) each, in pixels: (batch, 1)."""
    picture = keras.Input((24, 24, 1), name="picture")
    x = layers.Conv2D(8, 5, activation="relu")(picture)
    x = layers.Conv2D(16, 1, activation="relu")(x)
    eye = keras.Model(picture, x, name="eye")  # a base that trains in seconds
    left_input = keras.Input((24, 24, 1), name="left")
    right_input = keras.Input((24, 24, 1), name="right")
    # Merged before pooling: where each eye sees a thing is what tells how far away it is.
    features = layers.concatenate([eye(left_input), eye(right_input)], name="merged")
    # The eyes lie side by side: each row is compared with the same row; 9 pixels span a shift of 7.
    x = layers.Conv2D(32, (1, 9), activation="relu", name="compare")(features)
    x = layers.GlobalAveragePooling2D(name="pooled")(x)  # (batch, 32)
    # The bias starts at the mean shift: from 0, whether a model learned depended on the seed.
    start = {"bias_initializer": keras.initializers.Constant(3.5)}
    disparity = layers.Dense(1, **start, name="disparity")(x)
    return keras.Model([left_input, right_input], disparity, name="stereo")


if section.lesson("7.1.6", "two_eyes"):
    pairs = data.stereo_pairs(section.seed)
    x, y = pairs.train, pairs.train_targets
    stereo = build_stereo()
    stereo.compile(keras.optimizers.Adam(0.003), "mse", metrics=["mae"])
    stereo.fit(x, y, epochs=6, batch_size=50, verbose=0, callbacks=[section.progress("one base")])
    loss, shared = stereo.evaluate(pairs.test, pairs.test_targets, verbose=0)
    bases, eye = compare.without_sharing(stereo), compare.one_branch(stereo, 0)
    models = {"two bases": bases, "one eye": eye}
    others = compare.fit(models, pairs, like=stereo, callbacks=[section.progress("the others")])
    section.claim("Two eyes on a base: off by", shared, "pixels", at_most=1.2, compared_with=others)
    section.diagram(stereo)
    section.diagram(build_siamese_xception())
    section.picture(plots.two_eyes(pairs, others | {"one base": shared}), pairs)
    section.remember()

section.finish()
