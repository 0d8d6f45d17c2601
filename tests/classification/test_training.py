"""A classifier is the dynamics between an embedding and a hyperplane, trained along its derivative, bit for bit."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.classification import Classifier, Corpus, evidence, interval, logistic_regression, train
from lmdata.classification.encoding import encode, random_decoder, random_embedding
from lmdata.classification.kernel import Layers, Weights, backward, forward, space
from lmdata.classification.logistic import mean_embeddings
from lmdata.classification.training import layers_of
from lmdata.errors import InvalidInput, RecipeMismatch, StoreExists, UnknownName

WORDS = np.array(["the", "film", "is", "a", "plot", "scene", "actor", "very", "quite", "rather", "so", "it"])
GOOD, BAD = ["fine", "warm", "witty"], ["dull", "stale", "grim"]


def made_up(count=120, seed=0):
    """Return texts of common words with one or two that tell."""
    drawn = np.random.default_rng(seed)
    texts, labels = [], []
    for number in range(count):
        label = number % 2
        telling = drawn.choice(GOOD if label else BAD, drawn.integers(1, 3))
        words = np.concatenate([drawn.choice(WORDS, drawn.integers(2, 9)), telling])
        texts.append(" ".join(drawn.permutation(words)))
        labels.append(label)
    return Corpus(tuple(texts), tuple(labels))


CORPUS = made_up()
MODELS = {
    "hardmax": Classifier(components=3, influence=0.7),
    "localmax": Classifier(components=3, alignment_sensitivity=0.02, layers=3),
    "softmax": Classifier(components=3, attention="softmax", inverse_temperature=4.0, layers=3, scale=1.0),
    "mean": Classifier(components=3, layers=0),
}
every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def trained():
    made = {}

    def of(name):
        if name not in made:
            made[name] = train(MODELS[name], CORPUS, epochs=3, seeds=(0, 5))
        return made[name]

    return of


def dynamics(model):
    """Return the model of tokens that a classifier's layers are."""
    if model.attention == "softmax":
        return lmdata.Softmax(inverse_temperature=model.inverse_temperature, influence=model.influence)
    return lmdata.Localmax(model.alignment_sensitivity, model.influence)


def words_of(member, review):
    """Return the number of each known word of a review."""
    counts = member.word_count.values
    part = slice(counts[:review].sum(), counts[: review + 1].sum())
    return member.word_number.values[part][~np.isnan(member.share.values[part])]


# --- the layers ---


@every_model
def test_a_logit_is_that_of_the_simulated_tokens_and_shares_are_their_influence(name, trained):
    """Rounding of K steps and a sum over n <= 10 tokens of size 1 or so: far below 1e-12."""
    model, member = MODELS[name], trained(name).isel(seed=1)
    for review in range(0, 120, 8):
        found = evidence(member, review)
        start = member.embedding.values[words_of(member, review)]
        ds = lmdata.simulate(dynamics(model), start, steps=model.layers)
        last = ds.position.values[0, -1]
        expected = last.mean(axis=0) @ member.decoder.values + member.bias.item()
        assert abs(found.logit.item() - expected) < 1e-12
        assert abs(found.contribution.sum().item() + member.bias.item() - expected) < 1e-12
        np.testing.assert_allclose(found.share, lmdata.influence(ds).isel(seed=0), atol=1e-12)
        hard = lmdata.Localmax(model.alignment_sensitivity if model.attention == "localmax" else 0.0)
        leaders = lmdata.leaders(lmdata.simulate(hard, last, steps=0)).values[0, 0]
        np.testing.assert_array_equal(found.leader, leaders)


@pytest.mark.parametrize("name", ["hardmax", "localmax", "softmax", "mean"])
def test_the_derivative_is_that_of_differences(name):
    """Central differences of 1e-6 are off by 1e-9 or so; neighbourhoods do not change in between."""
    model = MODELS[name]
    layers, drawn = layers_of(model), np.random.default_rng(3)
    work = space(layers, 3, 6)
    words = np.array([0, 4, 2, 2, 1, 3])
    for _ in range(5):
        weights = Weights(drawn.normal(size=(5, 3)), drawn.normal(size=4))

        def logit(moved, weights=weights):
            return forward(words, Weights(weights.embedding + moved, weights.decoder), layers, work)

        logit(0.0)
        backward(6, 1.0, weights, layers, work)
        found = np.zeros((5, 3))
        np.add.at(found, words, work.back.T)
        for place in np.ndindex(5, 3):
            moved = np.zeros((5, 3))
            moved[place] = 1e-6
            assert abs((logit(moved) - logit(-moved)) / 2e-6 - found[place]) < 1e-7


def test_an_alignment_matrix_is_another_embedding():
    """<A z, z'> = <Bz, Bz'> with A = B'B: the dynamics of BE are B times those of E."""
    drawn = np.random.default_rng(0)
    start, root = drawn.normal(size=(6, 2)), np.array([[2.0, 1.0], [0.0, 0.5]])
    with_matrix = lmdata.simulate(lmdata.Localmax(0.1, alignment=root.T @ root), start, steps=5)
    other = lmdata.simulate(lmdata.Localmax(0.1), start @ root.T, steps=5)
    np.testing.assert_allclose(with_matrix.position @ xr.DataArray(root, dims=("other", "component")), other.position)


# --- training ---


def by_hand(model, corpus, seed, epochs):
    """Train in plain NumPy, with the derivative of shares: Adam on rows that a batch has touched."""
    encoded = encode(corpus, least=model.least_count)
    held = corpus.held_out(seed)
    count = np.bincount(
        np.concatenate([encoded.occurrences[encoded.first[i] : encoded.first[i + 1]] for i in np.flatnonzero(~held)]),
        minlength=len(encoded.words),
    )
    known = count >= model.least_count
    texts = [encoded.occurrences[a:b] for a, b in zip(encoded.first[:-1], encoded.first[1:], strict=True)]
    texts = [text[known[text]] for text in texts]
    embedding = model.scale * random_embedding(seed, len(encoded.words), model.components)
    decoder = random_decoder(seed, model.components)
    means = [[np.zeros_like(each), np.zeros_like(each)] for each in (embedding, decoder)]
    made = np.zeros(len(embedding), int)
    gain = model.influence / (1 + model.influence)
    training, step = np.flatnonzero(~held), 0
    from lmdata.numerics.random import counted_words

    for epoch in range(1, epochs + 1):
        order = training[np.argsort(counted_words([seed], epoch, training.size, stream=(7, 3))[0], kind="stable")]
        for begin in range(0, order.size, model.batch):
            batch = order[begin : begin + model.batch]
            by_embedding, by_decoder, step = np.zeros_like(embedding), np.zeros_like(decoder), step + 1
            for i in batch:
                state = embedding[texts[i]]
                product = np.eye(len(state))
                for _ in range(model.layers):
                    score = state @ state.T
                    near = score >= score.max(axis=1, keepdims=True) - model.alignment_sensitivity
                    layer = (1 - gain) * np.eye(len(state)) + gain * near / near.sum(axis=1, keepdims=True)
                    state, product = layer @ state, layer @ product
                mean = state.mean(axis=0)
                slope = 1 / (1 + np.exp(-(mean @ decoder[:-1] + decoder[-1]))) - corpus.labels[i]
                by_decoder += slope / len(batch) * np.append(mean, 1.0)
                np.add.at(by_embedding, texts[i], slope / len(batch) * product.mean(axis=0)[:, None] * decoder[:-1])
            rows = np.unique(np.concatenate([texts[i] for i in batch]))
            by_embedding[rows] += model.penalty * embedding[rows]
            by_decoder[:-1] += model.penalty * decoder[:-1]
            made[rows] += 1
            for value, slope, (first, second), number, at in (
                (embedding, by_embedding, means[0], made[rows][:, None], rows),
                (decoder, by_decoder, means[1], step, slice(None)),
            ):
                first[at] = 0.9 * first[at] + 0.1 * slope[at]
                second[at] = 0.999 * second[at] + 0.001 * slope[at] ** 2
                value[at] -= (
                    model.step * (first[at] / (1 - 0.9**number)) / (np.sqrt(second[at] / (1 - 0.999**number)) + 1e-8)
                )
    return embedding, decoder


@pytest.mark.parametrize("penalty", [0.0, 0.01])
@pytest.mark.parametrize("name", ["hardmax", "localmax", "mean"])
def test_training_is_that_of_plain_numpy(name, penalty):
    """Adam divides by the size of slopes, so that rounding grows: 1e-9 after some dozen steps of 3e-3."""
    model = MODELS[name].with_parameter("penalty", penalty)
    ds = train(model, CORPUS, epochs=3, seeds=[2]).isel(seed=0)
    embedding, decoder = by_hand(model, CORPUS, 2, 3)
    np.testing.assert_allclose(ds.embedding, embedding, atol=1e-9)
    np.testing.assert_allclose(np.append(ds.decoder, ds.bias), decoder, atol=1e-9)


@every_model
def test_losses_and_accuracies_are_those_of_the_logits(name, trained):
    ds = trained(name)
    right = (ds.logit > 0) == (ds.label == 1)
    loss = np.logaddexp(0, np.where(ds.label == 1, -1, 1) * ds.logit)
    for part, kind in ((~ds.held_out, ""), (ds.held_out, "test_")):
        np.testing.assert_allclose(ds[f"{kind}accuracy"].isel(epoch=-1), right.where(part).mean("review"))
        np.testing.assert_allclose(ds[f"{kind}loss"].isel(epoch=-1), loss.where(part).mean("review"), rtol=1e-13)
    assert (ds.loss.isel(epoch=-1) < ds.loss.isel(epoch=0)).all()
    assert (ds.held_out.sum("review") == 24).all()


def test_it_learns_which_words_tell_and_they_lead():
    ds = train(Classifier(components=2), CORPUS, epochs=40).isel(seed=0)
    assert ds.test_accuracy.isel(epoch=-1) == 1
    score = (ds.embedding * ds.decoder).sum("component")
    assert score.sel(word=GOOD).min() > score.where(~ds.word.isin(GOOD)).max()
    assert score.sel(word=BAD).max() < score.where(~ds.word.isin(BAD)).min()
    share = ds.share.groupby(ds.word.isel(word=ds.word_number).isin(GOOD + BAD).rename("tells")).mean()
    assert share.sel(tells=True) > 2 * share.sel(tells=False)  # of four halves, two are moved


def test_held_out_texts_have_no_say():
    """Other labels of texts that are held out change nothing but what is told of these."""
    ds = train(MODELS["hardmax"], CORPUS, epochs=2)
    held = ds.held_out.isel(seed=0).values
    flipped = Corpus(CORPUS.texts, tuple(np.where(held, 1 - ds.label, ds.label).tolist()))
    other = train(MODELS["hardmax"], flipped, epochs=2)
    same = ["embedding", "decoder", "bias", "loss", "logit", "share", "leader"]
    xr.testing.assert_identical(ds[same].drop_attrs(deep=False), other[same].drop_attrs(deep=False))
    np.testing.assert_allclose(other.test_accuracy, 1 - ds.test_accuracy)


# --- the same bits ---


@every_model
def test_the_same_training_has_the_same_bits_with_any_threads_alone_or_among_others(name, trained, monkeypatch):
    ds = trained(name)
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        xr.testing.assert_identical(train(MODELS[name], CORPUS, epochs=3, seeds=(0, 5)), ds)
    alone = train(MODELS[name], CORPUS, epochs=3, seeds=(5,))
    xr.testing.assert_identical(alone.drop_attrs(deep=False), ds.isel(seed=[1]).drop_attrs(deep=False))


def test_the_bits_are_those_of_any_machine():
    """Sums, products, quotients, roots in a fixed order: what was found once holds everywhere."""
    found = {}
    for name in ("localmax", "softmax"):
        ds = train(MODELS[name], CORPUS, epochs=2)
        found[name] = hashlib.sha256(ds.embedding.values.tobytes() + ds.logit.values.tobytes()).hexdigest()[:16]
    assert found == {"localmax": "28edce1edd2ccffc", "softmax": "b92333e607a908c3"}


def test_a_swept_parameter_is_a_dimension_and_its_members_are_those_alone():
    ds = train(MODELS["localmax"], CORPUS, epochs=1, sweep={"alignment_sensitivity": [0, 0.5], "step": [0.01]})
    assert ds.logit.dims == ("alignment_sensitivity", "step", "seed", "review")
    alone = train(Classifier(components=3, layers=3, alignment_sensitivity=0.5, step=0.01), CORPUS, epochs=1)
    np.testing.assert_array_equal(ds.logit.sel(alignment_sensitivity=0.5, step=0.01), alone.logit)


# --- kept ---


def test_a_training_is_kept_opened_and_verified(tmp_path, trained):
    kept = train(MODELS["hardmax"], CORPUS, epochs=3, seeds=(0, 5), store=tmp_path / "t")
    for ds in (kept, lmdata.open(tmp_path / "t")):
        xr.testing.assert_equal(ds.compute(), trained("hardmax"))
    assert lmdata.verify(tmp_path / "t").ok
    again = train(MODELS["hardmax"], CORPUS, epochs=3, seeds=(0, 5), store=tmp_path / "t")
    assert again.attrs["digest"] == kept.attrs["digest"]
    assert json.loads(kept.attrs["recipe"])["corpus"]["sha256"] == CORPUS.sha256
    np.testing.assert_array_equal(
        evidence(kept.isel(seed=0), 3).share, evidence(trained("hardmax").isel(seed=0), 3).share
    )
    with pytest.raises(RecipeMismatch, match="another dataset"):
        train(MODELS["hardmax"], CORPUS, epochs=2, seeds=(0, 5), store=tmp_path / "t")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreExists, match="something else"):
        train(MODELS["hardmax"], CORPUS, epochs=2, store=tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_classifier_comes_back_from_its_specification():
    for model in MODELS.values():
        assert Classifier.from_specification(json.loads(json.dumps(model.specification()))) == model


# --- against what is known ---


def test_logistic_regression_is_at_its_minimum():
    """The gradient vanishes, by differences of the objective, on means that are made anew here."""
    (found,) = logistic_regression(CORPUS, components=4, penalty=0.1)
    vectors = dict(
        zip(encode(CORPUS).words, lmdata.tokens.text(" ".join(encode(CORPUS).words), dimension=4).draw(0), strict=True)
    )
    held = CORPUS.held_out(0)
    means = np.array([np.mean([vectors[word] for word in text.split()], axis=0) for text in CORPUS.texts])
    means /= np.sqrt((means[~held] ** 2).mean())
    signs = np.where(np.array(CORPUS.labels) == 1, 1.0, -1.0)

    def objective(w, b):
        return np.logaddexp(0, -signs * (means @ w + b))[~held].mean() + 0.05 * w @ w

    for k in range(4):
        moved = 1e-5 * np.eye(4)[k]
        slope = objective(found.normal + moved, found.bias) - objective(found.normal - moved, found.bias)
        assert abs(slope) / 2e-5 < 1e-9
    slope = objective(found.normal, found.bias + 1e-5) - objective(found.normal, found.bias - 1e-5)
    assert abs(slope) / 2e-5 < 1e-9 < 0.1 * abs(found.bias)  # nothing draws the bias to zero
    right = (means @ found.normal + found.bias > 0) == (signs > 0)
    assert (found.test_accuracy, found.tested) == (right[held].mean(), 24)


def test_intervals_cover_as_often_as_they_say():
    drawn = np.random.default_rng(0).binomial(200, 0.7, 4000) / 200
    shares, which = np.unique(drawn, return_inverse=True)
    ends = np.array([interval(share, 200) for share in shares])[which]
    cover = ((ends[:, 0] <= 0.7) & (ends[:, 1] >= 0.7)).mean()
    assert abs(cover - 0.95) < 0.02  # binomial steps move it by 0.01, the draws by 0.0035
    assert interval(1.0, 10)[1] == pytest.approx(1.0)
    assert interval(0.0, 10)[0] == pytest.approx(0.0)


@pytest.mark.long
def test_film_reviews_are_told_as_well_as_by_logistic_regression(movie_reviews):
    corpus = lmdata.reviews(movie_reviews).distinct()
    ds = train(Classifier(), corpus)
    found, other = float(ds.test_accuracy[0, -1]), logistic_regression(corpus)[0]
    low, high = interval(found, int(ds.held_out.sum()))
    assert high > other.test_accuracy
    assert low > 0.68  # sure better than the half that blind guesses have
    assert ds.leader.sum() < 0.3 * (~ds.share.isnull()).sum()


# --- what is refused ---


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: train(lmdata.Localmax(), CORPUS), "model must be a Classifier"),
        (lambda: train(Classifier(), ["a fine film"]), "corpus must be a Corpus"),
        (lambda: train(Classifier(), CORPUS, epochs=0), "epochs is 0"),
        (lambda: train(Classifier(), CORPUS, seeds=[1, 1]), "seeds holds 1 twice"),
        (lambda: train(Classifier(), CORPUS, sweep={"layers": [1]}), "does not sweep"),
        (lambda: train(Classifier(), CORPUS, sweep={"influence": [0]}), "influence is 0"),
        (lambda: train(Classifier(), CORPUS, test_share=1), "share is 1"),
        (lambda: train(Classifier(least_count=10**6), CORPUS), "lower least_count"),
        (lambda: train(Classifier(components=10**9), CORPUS), "are free"),
        (lambda: Classifier(attention="linear"), "attention is 'linear'"),
        (lambda: Classifier(components=300, embedding="words"), "components is 300"),
        (lambda: Classifier(layers=-1), "layers is -1"),
        (lambda: Classifier(trained=1), "trained is 1"),
        (lambda: Classifier().with_parameter("layers", 2), "layers"),
        (lambda: Classifier.from_specification({"kind": "classifier", "depth": 2}), "depth"),
        (lambda: interval(1.1, 5), "accuracy is 1.1"),
        (lambda: interval(0.5, 5, level=1), "level is 1"),
        (lambda: evidence(xr.Dataset(), 0), "lmdata_classifier"),
        (lambda: logistic_regression(CORPUS, penalty=0), "penalty is 0"),
    ],
)
def test_what_cannot_be_trained_or_read_is_refused_in_a_line(call, words):
    with pytest.raises((InvalidInput, UnknownName), match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_reading_is_of_one_review_of_one_member(trained):
    ds = trained("hardmax")
    with pytest.raises(InvalidInput, match="several along 'seed'"):
        evidence(ds, 0)
    with pytest.raises(InvalidInput, match="review is 120"):
        evidence(ds.isel(seed=0), 120)


def test_numbers_that_overflow_are_told():
    with pytest.raises(FloatingPointError, match="lower step, 1e\\+200"):
        train(Classifier(step=1e200), CORPUS, epochs=2)


def test_a_text_without_a_known_word_is_judged_by_the_bias():
    corpus = Corpus((*CORPUS.texts, "unheard", "?!"), (*CORPUS.labels, 1, 0))
    ds = train(Classifier(), corpus, epochs=1).isel(seed=0)
    np.testing.assert_array_equal(ds.logit[-2:], ds.bias)
    assert evidence(ds, 121).sizes["occurrence"] == 0


def test_words_that_are_rare_in_the_texts_for_training_are_not_known():
    held = CORPUS.held_out(0)
    texts = [f"{text} {'unseen' if out else 'seen'}" for text, out in zip(CORPUS.texts, held, strict=True)]
    ds = train(Classifier(), Corpus(tuple(texts), CORPUS.labels), epochs=1).isel(seed=0)
    assert ds.known.sel(word="seen")
    assert not ds.known.sel(word="unseen")
    words = ds.word.values[ds.word_number.values]
    assert np.isnan(ds.share.values[words == "unseen"]).all()
    assert not np.isnan(ds.share.values[words == "seen"]).any()


def test_so_many_words_of_a_text_are_read():
    cut = Corpus(tuple(" ".join(text.split()[:3]) for text in CORPUS.texts), CORPUS.labels)
    found, expected = (train(Classifier(most_words=most), one, epochs=1) for most, one in ((3, CORPUS), (256, cut)))
    assert (found.word_count <= 3).all()
    xr.testing.assert_equal(found, expected)


def test_layers_of_a_classifier_are_told_to_the_kernel():
    assert layers_of(MODELS["softmax"]) == Layers(3, 0.5, True, 4.0)
    assert layers_of(Classifier(influence=3.0, alignment_sensitivity=0.2)) == Layers(2, 0.75, False, 0.2)


def test_words_of_held_out_texts_alone_are_in_no_mean():
    encoded = encode(Corpus(("good film", "bad film", "good strange"), (1, 0, 1)))
    means = mean_embeddings(encoded, np.eye(len(encoded.words)), np.array([False, False, True]))
    of = dict(zip(encoded.words, means[2].tolist(), strict=True))
    assert of == {"good": 1.0, "film": 0.0, "bad": 0.0, "strange": 0.0}
    assert means[:2].max(axis=1).tolist() == [0.5, 0.5]
