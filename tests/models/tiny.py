"""Tiny random models in the Hugging Face layout, written to a folder: few numbers, in files of the true form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "river", "runs", "to", "sea", "##s", "blue", "."]
WIDTH, INNER, HEADS, LONGEST, NARROW = 8, 12, 2, 16, 6
NORM = {"weight": (WIDTH,), "bias": (WIDTH,)}


def linear(inside, outside):
    return {"weight": (outside, inside), "bias": (outside,)}


def named(**parts):
    return {f"{name}.{end}": shape for name, ends in parts.items() for end, shape in ends.items()}


def nested(prefix, shapes):
    return {f"{prefix}.{name}": shape for name, shape in shapes.items()}


def bert(layers=2):
    config = {
        "model_type": "bert", "hidden_size": WIDTH, "intermediate_size": INNER, "num_attention_heads": HEADS,
        "num_hidden_layers": layers, "vocab_size": len(VOCABULARY), "type_vocab_size": 2, "hidden_act": "gelu",
        "max_position_embeddings": LONGEST, "layer_norm_eps": 1e-6, "position_embedding_type": "absolute",
    }  # fmt: skip
    square = linear(WIDTH, WIDTH)
    block = {
        **nested("attention", nested("self", named(query=square, key=square, value=square))),
        **nested("attention.output", named(dense=square, LayerNorm=NORM)),
        **nested("intermediate", named(dense=linear(WIDTH, INNER))),
        **nested("output", named(dense=linear(INNER, WIDTH), LayerNorm=NORM)),
    }
    return config, embeddings(WIDTH) | {
        name: shape for k in range(layers) for name, shape in nested(f"encoder.layer.{k}", block).items()
    }


def embeddings(width):
    return {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), width),
        "embeddings.position_embeddings.weight": (LONGEST, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }


def albert(layers=3, groups=1):
    config, _ = bert()
    config |= {
        "model_type": "albert", "num_hidden_layers": layers, "num_hidden_groups": groups, "inner_group_num": 1,
        "embedding_size": NARROW, "hidden_act": "gelu_new",
    }  # fmt: skip
    square = linear(WIDTH, WIDTH)
    block = {
        **nested("attention", named(query=square, key=square, value=square, dense=square, LayerNorm=NORM)),
        **named(ffn=linear(WIDTH, INNER), ffn_output=linear(INNER, WIDTH), full_layer_layer_norm=NORM),
    }
    shapes = embeddings(NARROW) | named(**{"encoder.embedding_hidden_mapping_in": linear(NARROW, WIDTH)})
    for group in range(groups):
        shapes |= nested(f"encoder.albert_layer_groups.{group}.albert_layers.0", block)
    return config, nested("albert", shapes)


def gpt2(layers=2):
    config = {
        "model_type": "gpt2", "n_embd": WIDTH, "n_inner": INNER, "n_head": HEADS, "n_layer": layers,
        "n_positions": LONGEST, "vocab_size": len(VOCABULARY), "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
    }  # fmt: skip

    def turned(inside, outside):  # stored as (in, out)
        return {"weight": (inside, outside), "bias": (outside,)}

    block = {
        **nested("attn", named(c_attn=turned(WIDTH, 3 * WIDTH), c_proj=turned(WIDTH, WIDTH))),
        **nested("mlp", named(c_fc=turned(WIDTH, INNER), c_proj=turned(INNER, WIDTH))),
        **named(ln_1=NORM, ln_2=NORM),
    }
    shapes = {"wte.weight": (len(VOCABULARY), WIDTH), "wpe.weight": (LONGEST, WIDTH), **named(ln_f=NORM)}
    return config, shapes | {name: shape for k in range(layers) for name, shape in nested(f"h.{k}", block).items()}


FORMS = {"bert": bert, "albert": albert, "gpt2": gpt2}


def arrays_of(shapes, seed=0, dtype=np.float32):
    """Draw weights; scales of normalisations are near one, all else is of a size that makes attention uneven."""
    random = np.random.default_rng(seed)
    return {
        name: ((1.0 if "norm" in name.lower() or ".ln_" in name or "ln_f" in name else 0.0) * name.endswith("weight")
        + 0.6 * random.normal(size=shape)).astype(dtype)
        for name, shape in shapes.items()
    }  # fmt: skip


def save(file: Path, arrays, names=None):
    """Write a safetensors file."""
    header, place = {}, 0
    for name, array in arrays.items():
        kind = (names or {}).get(
            array.dtype.name, {"float32": "F32", "float16": "F16", "float64": "F64"}.get(array.dtype.name)
        )
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [place, place + array.nbytes]}
        place += array.nbytes
    text = json.dumps({"__metadata__": {"format": "pt"}} | header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(array.tobytes() for array in arrays.values()))


def tokenizer():
    """Return a tokenizer of words, one special token before and one behind."""
    special = [name for name in VOCABULARY if name.startswith("[")]
    return {
        "version": "1.0", "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0}, "padding": None,
        "added_tokens": [
            {"id": VOCABULARY.index(name), "content": name, "special": True, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False} for name in special
        ],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {name: i for i, name in enumerate(VOCABULARY)}},
    }  # fmt: skip


def write(folder: Path, form="bert", *, seed=0, dtype=np.float32, config=None, **options):
    """Write a model of a form; return its weights by name, as they are stored."""
    folder.mkdir(parents=True, exist_ok=True)
    own, shapes = FORMS[form](**options)
    arrays = arrays_of(shapes, seed, dtype)
    (folder / "config.json").write_text(json.dumps(own | (config or {})))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    save(folder / "model.safetensors", arrays)
    return arrays
