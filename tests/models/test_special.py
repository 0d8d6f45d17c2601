"""Special tokens: one scheme, and the same in every file that tells of them; else a line, and nothing is written."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from lmdata.errors import InvalidInput
from lmdata.models import Transformer, from_transformers

from . import tiny


def extended(folder, *tokens, special=True):
    """Add tokens to the vocabulary of a tokenizer, which has those of BERT."""
    file = folder / "tokenizer.json"
    found = json.loads(file.read_text())
    for token in tokens:
        number = len(found["model"]["vocab"])
        found["model"]["vocab"][token] = number
        found["added_tokens"].append(
            {"id": number, "content": token, "special": special, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False}
        )  # fmt: skip
    file.write_text(json.dumps(found))


def put_between(folder, begin, end):
    """Let a tokenizer put texts between two of its words, which need not be marked as special."""
    file = folder / "tokenizer.json"
    found = json.loads(file.read_text())
    number = found["model"]["vocab"]
    found["post_processor"] = {"type": "BertProcessing", "sep": [end, number[end]], "cls": [begin, number[begin]]}
    file.write_text(json.dumps(found))


def told(folder, name, **values):
    file = folder / name
    file.write_text(json.dumps((json.loads(file.read_text()) if file.is_file() else {}) | values))


SPECIAL, SETTINGS, CONFIG = "special_tokens_map.json", "tokenizer_config.json", "config.json"
SCHEMES = r"more than one scheme of special tokens, \[CLS\] \[SEP\] beside <s> </s>"
WRONG = {
    "two in the tokenizer": (lambda f: extended(f, "<s>", "</s>"), rf"tokenizer\.json has {SCHEMES}"),
    "an end alone": (lambda f: extended(f, "</s>"), SCHEMES),
    "of a generating model": (lambda f: extended(f, "<|endoftext|>"), "beside <|startoftext|> <|endoftext|>"),
    "texts between others": (
        lambda f: extended(f, "<s>", "</s>", special=False) or put_between(f, "<s>", "</s>"), rf"json has {SCHEMES}"),
    "a map of another model": (
        lambda f: extended(f, "<s>", special=False) or told(f, SPECIAL, cls_token="<s>"), SCHEMES),
    "settings of another model": (
        lambda f: extended(f, "</s>", special=False) or told(f, SETTINGS, eos_token={"content": "</s>"}), SCHEMES),
    "a token that is none": (lambda f: told(f, SPECIAL, mask_token="<mask>"),
                             r"mask_token is '<mask>', and tokenizer\.json has no such token"),
    "a token of another type": (lambda f: told(f, SETTINGS, sep_token=3), "sep_token is 3"),
    "files that disagree": (lambda f: told(f, SPECIAL, cls_token="[CLS]") or told(f, SETTINGS, cls_token="[SEP]"),
                            r"cls_token is '\[SEP\]', and in special_tokens_map\.json it is '\[CLS\]'"),
    "another number": (lambda f: told(f, SPECIAL, pad_token="[PAD]") or told(f, CONFIG, pad_token_id=7),
                       r"pad_token_id is 7, and '\[PAD\]' is 0"),
    "no settings": (lambda f: (f / SPECIAL).write_text("[]") and None, "no JSON object"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_more_than_one_scheme_is_refused_in_a_line(tmp_path, fault):
    folder = tmp_path / "model"
    tiny.write(folder)
    spoil, words = WRONG[fault]
    spoil(folder)
    with pytest.raises(InvalidInput, match=words) as caught:
        Transformer(folder).run("the sea", store=tmp_path / "store")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_padding_of_another_form_and_files_that_agree_are_taken(tmp_path):
    """As ALBERT has them: [CLS] and [SEP] beside <pad> and <unk>."""
    tiny.write(tmp_path)
    extended(tmp_path, "<pad>", "<unk>")
    extended(tmp_path, "</s>", special=False)  # a word like others
    roles = {"cls_token": "[CLS]", "bos_token": "[CLS]", "sep_token": {"content": "[SEP]"}, "unk_token": "[UNK]"}
    told(tmp_path, SPECIAL, **roles, mask_token=None)
    told(tmp_path, SETTINGS, **roles, do_lower_case=True)
    told(tmp_path, CONFIG, bos_token_id=[1, 2], sep_token_id=3)
    assert Transformer(tmp_path).tokenise("the sea").pieces == ("[CLS]", "the", "sea", "[SEP]")


def test_a_tokenizer_of_outputs_has_one_scheme(tmp_path):
    outputs = SimpleNamespace(hidden_states=(np.zeros((1, 2, 4)),) * 2, attentions=None)
    tokenizer = SimpleNamespace(
        convert_ids_to_tokens=lambda ids: [str(number) for number in ids], all_special_tokens=["[CLS]", "</s>"]
    )
    with pytest.raises(InvalidInput, match=f"tokenizer has {SCHEMES}"):
        from_transformers(outputs, tokenizer, inputs={"input_ids": [[1, 2]]}, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()
    tokenizer.all_special_tokens = ["[CLS]", "[SEP]", "<pad>"]
    assert from_transformers(outputs, tokenizer, inputs={"input_ids": [[1, 2]]}).sizes["token"] == 2
