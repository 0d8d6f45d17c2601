"""Eight numbers in a vector register, as a type for compiled functions.

A loop over eight tokens is left to a compiler's luck; these functions say outright which operations are vector
operations. `load`, `spread` and `splat` make vectors, ``+ - * /`` and the comparisons ``>= > !=`` work number by
number, each rounded on its own as IEEE 754 has it (nothing is fused or reordered), and `where` picks by a comparison's
outcome. Whatever the processor offers, the results are the same: registers of 512, 256 or 128 bits only differ in how
many instructions that takes.

Indices count from 0 and are not checked. Only compiled functions can call what is here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

LANES = 8
"""Numbers in a vector."""

_NUMBER, _INDEX = ir.DoubleType(), ir.IntType(32)
_NUMBERS, _CHOICES = ir.VectorType(_NUMBER, LANES), ir.VectorType(ir.IntType(1), LANES)


class Numbers(types.Type):
    """The type of eight float64 numbers."""

    def __init__(self) -> None:
        super().__init__(name="eight numbers")


class Choices(types.Type):
    """The type of eight outcomes of a comparison."""

    def __init__(self) -> None:
        super().__init__(name="eight choices")


NUMBERS, CHOICES = Numbers(), Choices()


def _represent(kind: type[types.Type], register: ir.Type) -> None:
    def model(manager: Any, numba_type: types.Type) -> Any:
        return models.PrimitiveModel(manager, numba_type, register)

    register_model(kind)(model)


def _define(sign: Callable[[Any, Any], Any], result: types.Type, emit: Callable[[Any, Any, Any], Any]) -> None:
    """Give an operator a meaning for two vectors."""

    class Template(ConcreteTemplate):
        cases = (signature(result, NUMBERS, NUMBERS),)

    infer_global(sign)(Template)
    lower_builtin(sign, NUMBERS, NUMBERS)(lambda context, builder, sig, args: emit(builder, *args))


_represent(Numbers, _NUMBERS)
_represent(Choices, _CHOICES)
_define(operator.add, NUMBERS, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, NUMBERS, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, NUMBERS, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, NUMBERS, lambda builder, a, b: builder.fdiv(a, b))
_define(operator.ge, CHOICES, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))
_define(operator.gt, CHOICES, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_define(operator.ne, CHOICES, lambda builder, a, b: builder.fcmp_unordered("!=", a, b))


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, target: ir.Type) -> Any:
    first = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(first, [index]), target.as_pointer())


def _spread(builder: Any, number: Any) -> Any:
    undefined = ir.Constant(_NUMBERS, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))


def _call(builder: Any, name: str, result: ir.Type, argument: Any, **flags: Any) -> Any:
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, [argument.type]), name)
    return builder.call(function, [argument], **flags)


def _load(typing: Any, array: Any, index: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], _NUMBERS), align=8)

    return NUMBERS(array, types.intp), emit


def _store(typing: Any, array: Any, index: Any, numbers: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, sig.args[0], args[0], args[1], _NUMBERS), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, NUMBERS), emit


def _spread_entry(typing: Any, array: Any, index: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], _NUMBER)))

    return NUMBERS(array, types.intp), emit


def _splat(typing: Any, number: Any) -> Any:
    return NUMBERS(types.float64), lambda context, builder, sig, args: _spread(builder, args[0])


def _where(typing: Any, choices: Any, one: Any, other: Any) -> Any:
    return NUMBERS(CHOICES, NUMBERS, NUMBERS), lambda context, builder, sig, args: builder.select(*args)


def _rint(typing: Any, numbers: Any) -> Any:
    return NUMBERS(NUMBERS), lambda context, builder, sig, args: _call(builder, "llvm.rint.v8f64", _NUMBERS, *args)


def _absolute(typing: Any, numbers: Any) -> Any:
    return NUMBERS(NUMBERS), lambda context, builder, sig, args: _call(builder, "llvm.fabs.v8f64", _NUMBERS, *args)


def _times_power(typing: Any, numbers: Any, exponents: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integers = ir.VectorType(ir.IntType(64), LANES)
        bits, powers = (builder.bitcast(numbers, integers) for numbers in args)
        shifted = builder.shl(powers, ir.Constant(integers, [52] * LANES))
        return builder.bitcast(builder.add(bits, shifted), _NUMBERS)

    return NUMBERS(NUMBERS, NUMBERS), emit


def _extreme(name: str) -> Callable[[Any, Any], Any]:
    def extreme(typing: Any, numbers: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _call(builder, f"llvm.vector.reduce.{name}.v8f64", _NUMBER, *args, fastmath=("nnan", "nsz"))

        return types.float64(NUMBERS), emit

    return extreme


def _some(typing: Any, choices: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.vector.reduce.or.v8i1", ir.IntType(1), *args)

    return types.boolean(CHOICES), emit


def _bits(typing: Any, choices: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(LANES))

    return types.uint8(CHOICES), emit


load: Any = intrinsic(_load)
"""``load(array, index)``: the eight entries of a contiguous array from ``index`` on."""

store: Any = intrinsic(_store)
"""``store(array, index, numbers)``: write eight entries of a contiguous array."""

spread: Any = intrinsic(_spread_entry)
"""``spread(array, index)``: one entry, eight times."""

splat: Any = intrinsic(_splat)
"""``splat(number)``: a number, eight times."""

where: Any = intrinsic(_where)
"""``where(choices, one, other)``: the numbers of ``one`` where the choice is true, else those of ``other``."""

some: Any = intrinsic(_some)
"""``some(choices)``: whether one of the eight is true."""

bits: Any = intrinsic(_bits)
"""``bits(choices)``: the eight choices as a number of eight bits, the first in the lowest."""

rint: Any = intrinsic(_rint)
"""``rint(numbers)``: the nearest integers, ties to even."""

absolute: Any = intrinsic(_absolute)
"""``absolute(numbers)``: without their signs."""

times_power: Any = intrinsic(_times_power)
"""``times_power(numbers, exponents)``: numbers 2^k, where k is the integer in the lowest bits of each exponent.

Neither the numbers nor the results may be 0, infinite or subnormal.
"""

largest: Any = intrinsic(_extreme("fmax"))
"""``largest(numbers)``: the largest of the eight, none of which is NaN."""

smallest: Any = intrinsic(_extreme("fmin"))
"""``smallest(numbers)``: the smallest of the eight, none of which is NaN."""
