"""Bugs in what is read of texts: labelled corpora, the classifier, and who leads beyond chance."""

from __future__ import annotations

from bug import Bug

CORPUS, TRAINING = "classification/test_corpus.py", "classification/test_training.py"
LEADING, ATTENDED = "classification/test_leading.py", "classification/test_attended.py"

BUGS = [
    Bug("classification/corpus.py", "labels.append(int(value > above))", "labels.append(int(value >= above))", CORPUS),
    Bug("classification/corpus.py", 'kind="stable")[:count]', 'kind="stable")[count:]', CORPUS),
    Bug("classification/corpus.py", "first.setdefault(text, number)", "first[text] = number", CORPUS),
    Bug("classification/corpus.py", '_BREAK.sub(" ", _read(file))', "_read(file)", CORPUS),
    Bug("classification/corpus.py", "zip(self.labels, self.texts, strict=True)", "self.texts", CORPUS),
    Bug("classification/corpus.py", "sorted((place / name).glob", "list((place / name).glob", CORPUS),
    Bug("classification/corpus.py", "value if np.isfinite(value) else None", "value", CORPUS),
    Bug("classification/corpus.py", "error.start) + 1", "error.start)", CORPUS),
    Bug("classification/encoding.py", "key=lambda word: (-count[word], word)", "key=lambda word: word", TRAINING),
    Bug(
        "classification/encoding.py",
        "of_training = np.repeat(training,",
        "of_training = np.repeat(~training,",
        TRAINING,
    ),
    Bug("classification/encoding.py", "words_of(text)][:most]", "words_of(text)]", TRAINING),
    Bug(
        "classification/kernel.py",
        "row[j] >= largest - layers.number else",
        "row[j] > largest - layers.number else",
        LEADING,
    ),
    Bug("classification/kernel.py", "exp(layers.number * (row[j] - largest))", "exp(row[j] - largest)", TRAINING),
    Bug(
        "classification/kernel.py",
        "row[j] += share[i] * attention[i, j]",
        "row[j] += share[i] * attention[j, i]",
        LEADING,
    ),
    Bug(
        "classification/kernel.py",
        "leader[first + i] = own >= largest - delta",
        "leader[first + i] = own >= largest",
        TRAINING,
    ),
    Bug("classification/kernel.py", "before[c, i] += through_score", "before[c, i] = through_score", TRAINING),
    Bug("classification/kernel.py", "(by_weight[j] - mean)", "by_weight[j]", TRAINING),
    Bug("classification/kernel.py", "is_touched[word] = False", "pass", TRAINING),
    Bug("classification/kernel.py", "        gradient[c] = 0.0\n", "", TRAINING),
    Bug(
        "classification/kernel.py",
        "right += (logits[i] > 0.0) == positive",
        "right += (logits[i] >= 0.0) == positive",
        "lmdata/classification/kernel.py",
    ),
    Bug(
        "classification/training.py",
        "train_epoch(texts, order, model.batch",
        "train_epoch(texts, training, model.batch",
        TRAINING,
    ),
    Bug("classification/training.py", "model.scale * (random_embedding", "1.0 * (random_embedding", TRAINING),
    Bug("classification/training.py", "for part, names in ((~held_out,", "for part, names in ((held_out,", TRAINING),
    Bug("classification/training.py", 'found["share"][row, kept],', 'found["share"][0, kept],', TRAINING),
    Bug("classification/training.py", '.get("recipe") != canonical_json', '.get("recipe") == canonical_json', TRAINING),
    Bug(
        "classification/training.py",
        "for model in models for seed in self.seeds]",
        "for seed in self.seeds for model in models]",
        TRAINING,
    ),
    Bug("classification/logistic.py", "ridge[-1] = 0.0", "pass", TRAINING),
    Bug(
        "classification/logistic.py",
        "known_words(encoded, ~held_out, 1)",
        "known_words(encoded, held_out, 1)",
        TRAINING,
    ),
    Bug(
        "classification/logistic.py",
        "np.sqrt((features[~held] ** 2).mean())",
        "np.sqrt((features**2).mean())",
        TRAINING,
    ),
    Bug(
        "classification/reading.py",
        "first = int(counts[:review].sum())",
        "first = int(counts[: review + 1].sum())",
        TRAINING,
    ),
    Bug("classification/reading.py", "(1.0 + level) / 2.0", "level", TRAINING),
    Bug("classification/reading.py", "square / (4.0 * n)", "square / 4.0", TRAINING),
    Bug("classification/chance.py", "np.lexsort((key, group))", "np.argsort(key)", f"{LEADING} {ATTENDED}"),
    Bug("classification/chance.py", "2.0 * (1.0 + np.minimum", "2.0 * (0.0 + np.minimum", LEADING),
    Bug("classification/chance.py", "np.minimum(below, above)", "above", LEADING),
    Bug("classification/chance.py", "reach = ROUNDING * np.abs(observed)", "reach = 0.0 * np.abs(observed)", ATTENDED),
    Bug("classification/chance.py", 'as_text(word, "a word").lower()', 'as_text(word, "a word")', ATTENDED),
    Bug(
        "classification/leading.py",
        "directions * (lengths(embedding) / lengths(directions))",
        "directions * (1.0 / lengths(directions))",
        LEADING,
    ),
    Bug(
        "classification/leading.py", "order = order[size[order] > 0.0]", "order = order[: (size > 0.0).sum()]", LEADING
    ),
    Bug("classification/leading.py", "share[among].sum() / with_words", "share[among].sum() / count", LEADING),
    Bug("classification/attended.py", "matrices[:steps].mean(axis=1)[::-1]", "matrices[:steps].mean(axis=1)", ATTENDED),
    Bug("classification/attended.py", "0.5 * (state + state @ shares(mean))", "0.5 * (state + state @ mean)", ATTENDED),
    Bug("classification/attended.py", "of = (to / to.sum(axis=0)).T", "of = to.T", ATTENDED),
    Bug(
        "classification/attended.py",
        "attended_most(between)",
        "attended_most(matrices)[..., kept, :][..., kept]",
        ATTENDED,
    ),
    Bug("classification/attended.py", "between.mean(axis=(0, 1, 2))", "between.mean(axis=(0, 1, 3))", ATTENDED),
    Bug(
        "classification/attended.py", 'np.argsort(ds["token_number"].values)', 'np.arange(ds.sizes["token"])', ATTENDED
    ),
    Bug("classification/attended.py", '.removesuffix(f"@{number + 1}")', "", ATTENDED),
    Bug("classification/attended.py", "statistics(rates, chosen[other])", "statistics(rates, chosen)", ATTENDED),
    Bug(
        "classification/attended.py",
        "statistics(rates[:, other], chosen)",
        "statistics(rates[:, ::-1], chosen)",
        ATTENDED,
    ),
    Bug("classification/attended.py", "    rates[1:] /= even  # of what an even text would give\n", "", ATTENDED),
    Bug("classification/attended.py", '"place": at,', '"place": of_text,', ATTENDED),
    Bug("classification/attended.py", "int(some[:-1].sum())", "int(some.sum())", ATTENDED),
]
