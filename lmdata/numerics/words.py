"""Sets of up to 64 in a word: how many there are, and which is the first, in one instruction each.

Only compiled functions can call what is here. A word is a uint64; bit b says whether b is in the set.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WORD = 64
"""Bits in a word."""

_WORD = ir.IntType(WORD)


def _call(builder: Any, name: str, *arguments: Any) -> Any:
    kinds = [argument.type for argument in arguments]
    return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(_WORD, kinds), name), arguments)


def _size(typing: Any, word: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.ctpop.i64", args[0])

    return types.int64(types.uint64), emit


def _first(typing: Any, word: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.cttz.i64", args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), emit


size: Any = intrinsic(_size)
"""``size(word)``: the number of bits that are set."""

first: Any = intrinsic(_first)
"""``first(word)``: the lowest bit that is set; 64 of an empty word."""
