"""Eight numbers in a vector register, as a type for compiled functions.

A loop over eight tokens is left to a compiler's luck; these functions say outright which operations are vector
operations. `load`, `broadcast` and `broadcast_at` make vectors, ``+ - * /`` and the comparisons ``>= > !=`` work number
by number, each rounded on its own as IEEE 754 has it (nothing is fused or reordered), and `where` picks by what a
comparison gave. Whatever the processor offers, the results are the same: registers of 512, 256 or 128 bits only differ
in how many instructions that takes.

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
_VECTOR, _MASK = ir.VectorType(_NUMBER, LANES), ir.VectorType(ir.IntType(1), LANES)


class Vector(types.Type):
    """The type of eight float64 numbers."""

    def __init__(self) -> None:
        super().__init__(name="vector of eight")


class Mask(types.Type):
    """The type of eight outcomes of a comparison."""

    def __init__(self) -> None:
        super().__init__(name="mask of eight")


VECTOR, MASK = Vector(), Mask()


def _represent(kind: type[types.Type], register: ir.Type) -> None:
    def model(manager: Any, numba_type: types.Type) -> Any:
        return models.PrimitiveModel(manager, numba_type, register)

    register_model(kind)(model)


def _define(sign: Callable[[Any, Any], Any], result: types.Type, emit: Callable[[Any, Any, Any], Any]) -> None:
    """Give an operator a meaning for two vectors."""

    class Template(ConcreteTemplate):
        cases = (signature(result, VECTOR, VECTOR),)

    infer_global(sign)(Template)
    lower_builtin(sign, VECTOR, VECTOR)(lambda context, builder, sig, args: emit(builder, *args))


_represent(Vector, _VECTOR)
_represent(Mask, _MASK)
_define(operator.add, VECTOR, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, VECTOR, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, VECTOR, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, VECTOR, lambda builder, a, b: builder.fdiv(a, b))
_define(operator.ge, MASK, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))
_define(operator.gt, MASK, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_define(operator.ne, MASK, lambda builder, a, b: builder.fcmp_unordered("!=", a, b))


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, target: ir.Type) -> Any:
    first = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(first, [index]), target.as_pointer())


def _broadcast_value(builder: Any, number: Any) -> Any:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))


def _call(builder: Any, name: str, result: ir.Type, argument: Any, **flags: Any) -> Any:
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, [argument.type]), name)
    return builder.call(function, [argument], **flags)


def _load(typing: Any, array: Any, index: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], _VECTOR), align=8)

    return VECTOR(array, types.intp), emit


def _store(typing: Any, array: Any, index: Any, vector: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, sig.args[0], args[0], args[1], _VECTOR), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, VECTOR), emit


def _broadcast_at(typing: Any, array: Any, index: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _broadcast_value(
            builder, builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], _NUMBER))
        )

    return VECTOR(array, types.intp), emit


def _broadcast(typing: Any, number: Any) -> Any:
    return VECTOR(types.float64), lambda context, builder, sig, args: _broadcast_value(builder, args[0])


def _where(typing: Any, mask: Any, one: Any, other: Any) -> Any:
    return VECTOR(MASK, VECTOR, VECTOR), lambda context, builder, sig, args: builder.select(*args)


def _rint(typing: Any, vector: Any) -> Any:
    return VECTOR(VECTOR), lambda context, builder, sig, args: _call(builder, "llvm.rint.v8f64", _VECTOR, *args)


def _absolute(typing: Any, vector: Any) -> Any:
    return VECTOR(VECTOR), lambda context, builder, sig, args: _call(builder, "llvm.fabs.v8f64", _VECTOR, *args)


def _times_power(typing: Any, vector: Any, exponents: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integers = ir.VectorType(ir.IntType(64), LANES)
        bits, powers = (builder.bitcast(numbers, integers) for numbers in args)
        shifted = builder.shl(powers, ir.Constant(integers, [52] * LANES))
        return builder.bitcast(builder.add(bits, shifted), _VECTOR)

    return VECTOR(VECTOR, VECTOR), emit


def _extreme(name: str) -> Callable[[Any, Any], Any]:
    def extreme(typing: Any, vector: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _call(builder, f"llvm.vector.reduce.{name}.v8f64", _NUMBER, *args, fastmath=("nnan", "nsz"))

        return types.float64(VECTOR), emit

    return extreme


def _any_lane(typing: Any, mask: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.vector.reduce.or.v8i1", ir.IntType(1), *args)

    return types.boolean(MASK), emit


def _bits(typing: Any, mask: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(LANES))

    return types.uint8(MASK), emit


load: Any = intrinsic(_load)
"""``load(array, index)``: the eight entries of a contiguous array from ``index`` on."""

store: Any = intrinsic(_store)
"""``store(array, index, vector)``: write eight entries of a contiguous array."""

broadcast_at: Any = intrinsic(_broadcast_at)
"""``broadcast_at(array, index)``: one entry, eight times."""

broadcast: Any = intrinsic(_broadcast)
"""``broadcast(number)``: a number, eight times."""

where: Any = intrinsic(_where)
"""``where(mask, one, other)``: the numbers of ``one`` where the mask is true, else those of ``other``."""

any_lane: Any = intrinsic(_any_lane)
"""``any_lane(mask)``: whether one of the eight is true."""

bits: Any = intrinsic(_bits)
"""``bits(mask)``: the mask as a number of eight bits, the first in the lowest."""

rint: Any = intrinsic(_rint)
"""``rint(vector)``: the nearest integers, ties to even."""

absolute: Any = intrinsic(_absolute)
"""``absolute(vector)``: without their signs."""

times_power: Any = intrinsic(_times_power)
"""``times_power(vector, exponents)``: numbers 2^k, where k is the integer in the lowest bits of each exponent.

Neither the numbers nor the results may be 0, infinite or subnormal.
"""

largest: Any = intrinsic(_extreme("fmax"))
"""``largest(vector)``: the largest of the eight, none of which is NaN."""

smallest: Any = intrinsic(_extreme("fmin"))
"""``smallest(vector)``: the smallest of the eight, none of which is NaN."""
