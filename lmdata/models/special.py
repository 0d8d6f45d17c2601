"""Special tokens of a model: one scheme of them, and the same in every file that tells of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lmdata.errors import InvalidInput
from lmdata.models.folder import settings

SCHEMES = (
    ("[CLS]", "[SEP]"),
    ("<s>", "</s>"),
    ("<bos>", "<eos>"),
    ("<|startoftext|>", "<|endoftext|>"),
)
"""What texts are put between. Others, as for padding, may be of any form: ALBERT has [CLS] beside <pad>."""
BETWEEN = ("cls", "sep", "bos", "eos")
ROLES = (*BETWEEN, "pad", "unk", "mask")
"""What a file of settings calls ``cls_token``, and in ``config.json`` ``cls_token_id``."""


def check_one_scheme(tokens: Iterable[str], where: str) -> None:
    """Refuse tokens of more than one scheme.

    Raises
    ------
    InvalidInput
        If there are.

    Examples
    --------
    >>> check_one_scheme(["<pad>", "[CLS]", "[SEP]"], "it")
    >>> check_one_scheme(["</s>", "[CLS]"], "it")
    Traceback (most recent call last):
    ...
    lmdata.errors.InvalidInput: it has more than one scheme of special tokens, [CLS] [SEP] beside <s> </s>: a text is...
    """
    there = set(tokens)
    found = [" ".join(scheme) for scheme in SCHEMES if there.intersection(scheme)]
    if len(found) > 1:
        raise InvalidInput(
            f"{where} has more than one scheme of special tokens, {' beside '.join(found)}: a text is put between "
            "those of one; keep the scheme that the model was trained with"
        )


def check_special_tokens(tokenizer: Any, folder: Path) -> None:
    """Check that a tokenizer and the files beside it tell of the same special tokens, of one scheme.

    Parameters
    ----------
    tokenizer
        Of the package tokenizers.
    folder
        With ``config.json``, and perhaps ``special_tokens_map.json`` and ``tokenizer_config.json``.

    Raises
    ------
    InvalidInput
        If they disagree, or there is more than one scheme.
    """
    own = {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}
    own.update(tokenizer.encode("").tokens)
    check_one_scheme(own, str(folder / "tokenizer.json"))
    told: dict[str, str] = {}
    for file in (folder / "special_tokens_map.json", folder / "tokenizer_config.json"):
        values = settings(file) if file.is_file() else {}
        for role in ROLES:
            token = values.get(f"{role}_token")
            token = token.get("content") if isinstance(token, dict) else token
            if token is None:
                continue
            if not isinstance(token, str) or tokenizer.token_to_id(token) is None:
                raise InvalidInput(f"{file}: {role}_token is {token!r:.40}, and tokenizer.json has no such token")
            if told.setdefault(role, token) != token:
                raise InvalidInput(
                    f"{file}: {role}_token is {token!r:.40}, and in special_tokens_map.json it is {told[role]!r:.40}"
                )
    check_one_scheme(own.union(token for role, token in told.items() if role in BETWEEN), str(folder))
    config = settings(folder / "config.json")
    for role, token in told.items():
        number = config.get(f"{role}_token_id")
        several = number if isinstance(number, list) else [number]  # a model may end with any of some
        if number is not None and tokenizer.token_to_id(token) not in several:
            raise InvalidInput(
                f"{folder / 'config.json'}: {role}_token_id is {number!r:.40}, and {token!r} is "
                f"{tokenizer.token_to_id(token)} in tokenizer.json"
            )
