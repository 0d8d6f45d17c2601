"""What is trained and how: the specification of a classifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from lmdata.dynamics.kinds import read_parameters
from lmdata.dynamics.models.parameters import check_parameters, choice, count, flag, number
from lmdata.dynamics.tokens.sentence import COMPONENTS
from lmdata.errors import InvalidInput, UnknownName
from lmdata.markup import Specified


@dataclass(frozen=True, kw_only=True)
class Classifier(Specified):
    r"""Words, layers of attention without parameters, and a hyperplane (the application of arXiv 2407.01602).

    .. math:: z_j(0) = E_{word(j)}, \qquad z(k+1) = \frac{z(k) + \alpha P_k z(k)}{1 + \alpha}, \qquad
              x = \langle w, \tfrac 1 n \sum_i z_i(K) \rangle + b

    and the text is positive where the logit x is. P is that of localmax (of hardmax at sensitivity 0) or of softmax;
    E, w and b are trained by the logistic loss. An alignment matrix would add nothing: with A = B'B it is this model
    with the embedding BE.

    It can be read: neighbourhoods are piecewise constant, so that :math:`x = \sum_j s_j \langle w, E_j \rangle + b`
    with the shares s of `lmdata.influence`, and the derivative by E_j is s_j w, which is what is descended along.

    Parameters
    ----------
    attention : {"localmax", "softmax"}
        Which P.
    alignment_sensitivity : float
        delta >= 0 of localmax; 0 is hardmax.
    inverse_temperature : float
        beta >= 0 of softmax.
    influence : float
        alpha > 0.
    layers : int
        K >= 0; without any, the mean of the embeddings is judged.
    components : int
        d >= 1.
    embedding : {"random", "words"}
        Where E starts: at normal vectors, or at the first components of the pretrained embedding of
        `lmdata.tokens.text` (needs the extra ``text``).
    scale : float
        Length of that start, as its root mean square. A word leads where it is long: from a short start words grow with
        what they tell, and few lead; from one of length 1 nearly all lead in more than some ten components.
    trained : bool
        Whether E is trained, or w and b alone.
    step : float
        Learning rate of Adam (arXiv 1412.6980), which moves the embeddings of a batch's words alone.
    batch : int
        Texts a step.
    penalty : float
        Of the loss of a batch: so many times half the squared length of w and of the embeddings that it moves.
    least_count : int
        Words that are rarer in the texts for training are left out, everywhere.
    most_words : int
        Of a text, so many are read.

    Raises
    ------
    InvalidInput
        Naming the parameter, its value and what is allowed.

    Examples
    --------
    >>> Classifier(layers=2).with_parameter("alignment_sensitivity", 0.1).alignment_sensitivity
    0.1
    """

    kind: ClassVar[str] = "classifier"
    sweepable: ClassVar[tuple[str, ...]] = (
        *("alignment_sensitivity", "inverse_temperature", "influence"),
        *("step", "penalty"),
    )

    attention: str = choice("localmax", ("localmax", "softmax"))
    alignment_sensitivity: float = number(0.0, minimum=0)
    inverse_temperature: float = number(1.0, minimum=0)
    influence: float = number(1.0, minimum=0, above=True)
    layers: int = count(2, minimum=0)
    components: int = count(8)
    embedding: str = choice("random", ("random", "words"))
    scale: float = number(0.1, minimum=0, above=True)
    trained: bool = flag(True)
    step: float = number(3e-3, minimum=0, above=True)
    batch: int = count(32)
    penalty: float = number(0.0, minimum=0)
    least_count: int = count(2)
    most_words: int = count(256)

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.embedding == "words" and self.components > COMPONENTS:
            raise InvalidInput(
                f"components is {self.components}; the pretrained embedding has {COMPONENTS}: give at most that"
            )

    def specification(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values; `from_specification` gives the same object back."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the classifier of a specification; missing parameters take their defaults."""
        return cls(**read_parameters(specification, cls.kind, [field.name for field in dataclasses.fields(cls)]))

    def with_parameter(self, name: str, value: float) -> Self:
        """Return a validated copy in which a sweepable parameter has another value."""
        if name not in self.sweepable:
            raise UnknownName.among("sweepable parameter of a classifier", name, self.sweepable)
        return dataclasses.replace(self, **{name: value})  # type: ignore[arg-type]
