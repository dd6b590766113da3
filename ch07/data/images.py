"""Images: worn cloth with a description, three scales, stereograms, patterns over channels."""

from __future__ import annotations

import numpy as np

from ch07.data.tasks import Task, draws, one_hot, split

# The price of a second-hand garment, in hundreds of euros, by what can be seen of it where.
BRAND = np.array([1.0, 2.0, 4.0, 8.0])  # known from the attributes only
AGE = 1 - 0.08 * np.arange(6)  # 0 to 5 years, known from the attributes only
MATERIAL = np.array([0.5, 1.0, 1.5, 2.0])  # known from the description only
WEAR = np.array([1.6, 1.2, 0.8, 0.4])  # exactly in the picture, roughly in the description
UNIT_PRICE, PRICE_NOISE = 0.1, 0.1
# The R2 of the best prediction from each input, of their best mix, and of the price without noise,
# by enumerating all garments, as a test does.
BEST_GARMENT_SCORES = {
    "picture": 0.1526044492674985, "description": 0.2991047205642974,
    "attributes": 0.4236186471332971, "best mix": 0.7317871471086337, "joint": 0.9457406402604449,
}  # fmt: skip


def garment_price(brand, age, material, wear, effects):
    """Prices without noise; effects: "multiply", or "add" (the control)."""
    if effects not in ("multiply", "add"):
        raise ValueError(f"effects is {effects!r}: 'multiply' or 'add' is needed.")
    if effects == "multiply":
        return UNIT_PRICE * BRAND[brand] * AGE[age] * MATERIAL[material] * WEAR[wear]
    return UNIT_PRICE * (BRAND[brand] + 5 * AGE[age] + 3 * MATERIAL[material] + 4 * WEAR[wear])


def garments(seed, train=4000, test=2000, effects="multiply"):
    """Garments whose price depends on what picture, text and attributes show (section 7.1.2).

    Signal: the picture is cloth of 4 * 4 blocks; a sound block is striped, a worn one is random,
    with the same brightness and contrast; 0, 4, 8 or 12 blocks are worn. The description holds,
    among filler, one word for the material and one for "as new" or "worn" (three synonyms each).
    The attributes are the brand (one-hot) and the age. The effects multiply (or "add"): holes in a
    silk coat cost more than holes in a cotton one. Chance: the mean price has R2 = 0.
    picture: (n, 16, 16, 1). description: (n, 12) int32. attributes: (n, 5). targets: (n, 1).
    """
    rng = draws(seed, train=train, test=test)
    total = train + test
    brand, material, wear = (rng.integers(4, size=total) for _ in range(3))
    age = rng.integers(6, size=total)
    price = garment_price(brand, age, material, wear, effects)
    price = price + rng.normal(0, PRICE_NOISE, total)

    # 4 * wear of the 16 blocks are worn, at random places.   (total, 16) -> (total, 16, 16)
    worn = rng.permuted(np.arange(16) < 4 * wear[:, None], axis=1)
    worn = worn.reshape(total, 4, 4).repeat(4, axis=1).repeat(4, axis=2)
    phase = rng.integers(2, size=(total, 1, 1))
    stripes = (np.arange(16) + phase) % 2  # (total, 1, 16)
    picture = np.where(worn, rng.integers(2, size=(total, 16, 16)), stripes)
    picture = 2.0 * picture - 1 + rng.normal(0, 0.3, picture.shape)

    # 12 words: 4 materials and 2 conditions in 3 synonyms are words 1 to 18, 40 of filler follow.
    description = rng.integers(19, 59, (total, 12))
    place = np.argsort(rng.random((total, 12)), axis=1)[:, :2]
    meaning = np.stack([material, 4 + (wear >= 2)], axis=1)
    word = 1 + meaning * 3 + rng.integers(3, size=(total, 2))
    np.put_along_axis(description, place, word, axis=1)

    inputs = {
        "picture": picture[..., None].astype("float32"),
        "description": description.astype("int32"),
        "attributes": np.column_stack([np.eye(4)[brand], age / 5]).astype("float32"),
    }
    return Task(
        **split(inputs, price[:, None].astype("float32"), train),
        vocabulary_size=59,
        best_possible=BEST_GARMENT_SCORES if effects == "multiply" else None,
    )


def scales(seed, train=1600, test=1000):
    """Images that hide a coin toss at each of three scales (section 7.1.4).

    A toss changes how values go together and never their mean:

    colour  one pixel: channel 1 follows channel 0, or its negative. No neighbour is needed.
    fine    three pixels: stripes of period 3 along the rows or along the columns, in channel 2. An
            average over three pixels wipes them out.
    coarse  five pixels: noise comes back so many pixels further right in channel 2, as it was or
            with the opposite sign. A window of five pixels or fewer sees pure noise.

    Chance 0.5 each; best possible near 1. train, test: (n, 16, 16, 3). targets: (n, 3), 0 or 1.
    """
    rng = draws(seed, train=train, test=test)
    samples = train + test
    targets = rng.integers(2, size=(samples, 3))
    colour, fine, coarse = (2.0 * targets - 1.0).T[..., None, None]  # -1 or 1, (samples, 1, 1)

    first = rng.standard_normal((samples, 16, 16))
    second = 0.7 * colour * first + np.sqrt(1 - 0.7**2) * rng.standard_normal(first.shape)

    phase = np.arange(16) / 3 + rng.random((samples, 1))
    wave = np.sqrt(2) * np.cos(2 * np.pi * phase)  # (samples, 16)
    stripes = np.where(fine > 0, wave[:, None, :], wave[:, :, None])

    noise = rng.standard_normal((samples, 16, 5))
    echoes = np.concatenate([noise * coarse**k for k in range(4)], axis=2)[:, :, :16]
    third = stripes + 1.5 * echoes + 0.3 * rng.standard_normal(first.shape)
    images = np.stack([first, second, third], axis=-1).astype("float32")
    return Task(**split(images, targets.astype("float32"), train))


DOTS = 0.06  # dots for each pixel of a stereogram: about a fifth of the picture is white


def stereo_pairs(seed, train=1000, test=1000):
    """Random-dot stereograms: the depth is in neither picture, only between them (section 7.1.6).

    A surface is strewn with white dots of 2 x 2 pixels. The right eye sees it 0 to 7 pixels further
    along than the left eye; in its picture a tenth of the pixels is replaced by those of another
    surface. (B. Julesz, 1960, https://doi.org/10.1002/j.1538-7305.1960.tb03954.x)
    Signal: the shift. Chance: always saying 3.5 is wrong by 2.0 pixels in the mean, and one eye
    cannot do better. left, right: (n, 24, 24, 1), mean about 0. targets: (n, 1) pixels.
    """
    rng = draws(seed, train=train, test=test)
    pairs, size = train + test, 24
    disparity = rng.permutation(np.arange(pairs) % 8)

    def strew():
        corners = rng.random((pairs, size + 1, size + 8)) < DOTS  # 7 columns more, for the shift
        return corners[:, 1:, 1:] | corners[:, :-1, 1:] | corners[:, 1:, :-1] | corners[:, :-1, :-1]

    surface = strew()
    columns = np.arange(size) + disparity[:, None]  # (pairs, size)
    right = np.take_along_axis(surface, columns[:, None, :], axis=2)
    right = np.where(rng.random(right.shape) < 0.1, strew()[:, :, :size], right)
    white = 1 - (1 - DOTS) ** 4  # expected share: a dot in one of four corners is enough
    inputs = {
        name: ((eye - white) / (white * (1 - white)) ** 0.5).astype("float32")[..., None]
        for name, eye in (("left", surface[:, :, :size]), ("right", right))
    }
    return Task(**split(inputs, disparity.astype("float32")[:, None], train))


def patterns(seed, train=1500, test=1000):
    """Noise in which a pattern over 3 x 3 pixels and 8 channels occurs four times (section 7.3.1).

    apart    each channel has one spatial pattern of its own, the same for all classes; a class is
             how strongly, and with which sign, each channel shows it. Space and channels separate.
    tangled  each class has another spatial pattern in every channel. They do not.

    Both have the same noise, places, classes and strength, and every pattern has mean 0 in every
    channel and length 1. The places lie on a grid that each image shifts, and around whose border
    the image goes on at the other side. Chance 1 / 8; best possible near 1 (a test says so).
    apart, tangled: (n, 12, 12, 8). class_apart, class_tangled: (n, 8), one-hot.
    """
    rng = draws(seed, train=train, test=test)
    samples, size, channels, classes = train + test, 12, 8, 8
    window = (3, 3, channels)
    shape = rng.standard_normal((1, *window))
    # Orthogonal, or with some seeds two classes would be nearly the same.
    strengths = np.linalg.qr(rng.standard_normal((classes, channels)))[0][:, None, None]
    drawn = {"apart": shape * strengths, "tangled": rng.standard_normal((classes, *window))}
    label = rng.integers(classes, size=samples)
    background = 0.5 * rng.standard_normal((samples, size, size, channels))
    slots = rng.permuted(np.tile(np.arange(16), (samples, 1)), axis=1)[:, :4]
    corner = 3 * np.stack(np.divmod(slots, 4), axis=-1)  # (samples, 4, 2)
    corner = corner + rng.integers(3, size=(samples, 1, 2))
    images, rows = {}, np.arange(samples)[:, None]
    for kind, values in drawn.items():
        values = values - values.mean(axis=(1, 2), keepdims=True)
        drawn[kind] = values / np.sqrt((values**2).sum(axis=(1, 2, 3), keepdims=True))
        image = background.copy()
        for r, c in np.ndindex(3, 3):
            at = rows, (corner[..., 0] + r) % size, (corner[..., 1] + c) % size
            image[at] += 3 * drawn[kind][label][:, None, r, c]
        images[kind] = image.astype("float32")
    targets = {f"class_{kind}": one_hot(label, classes) for kind in drawn}
    return Task(**split(images, targets, train), patterns=drawn)
