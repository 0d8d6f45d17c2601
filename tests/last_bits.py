"""A plugin of pytest under which BLAS, LAPACK and libm give other last bits, as they do from machine to machine.

    python -m pytest -p tests.last_bits tests/selection tests/analysis        # LAST_BITS_SEED=2: others again

As sources of lmdata and of its tests are imported, ``a @ b``, ``a ** b`` and calls such as ``np.exp(x)`` and
``np.linalg.svd(a)`` are made to go through here, and what they return is moved by up to one unit. Left as it is what
all libraries agree on: exact results, sums of products that no order can round, roots and sums of NumPy itself,
symmetry of ``a @ a.T``, and the same result for the same arguments. Compiled functions call no library.

What fails under it hangs on the last bits of some library: a test without tolerance, or a result that has to be
decided otherwise (by sums in a fixed order, or to a tolerance).
"""

from __future__ import annotations

import ast
import builtins
import importlib.machinery
import os
import shutil
import sys
import tempfile
import zlib

import _pytest.assertion.rewrite as rewriting
import numpy as np

SEED = int(os.environ.get("LAST_BITS_SEED", "1"))
FUNCTIONS = {
    "exp",
    "log",
    "log1p",
    "expm1",
    "exp2",
    "log2",
    "log10",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "sinc",
}
FUNCTIONS |= {"arcsin", "arccos", "arctan"}
PRODUCTS = {"matmul", "dot", "einsum"}
FACTORS = {"eigh", "eigvalsh", "svd", "qr", "solve", "lstsq", "inv", "cholesky", "eig", "eigvals", "det", "slogdet"}
COMPILED = {"compiled", "numba", "njit"}
HALF = 2.0**-53
PLAIN_POWERS = (-1, 0, 0.5, 1, 2)


def steps(shape, *arrays):
    """Return -1, 0 or 1 for each entry, that depend on all bits of the arrays."""
    key = SEED
    for array in arrays:
        values = np.ascontiguousarray(array)
        key = zlib.crc32(repr((values.shape, values.dtype.str)).encode() + values.tobytes(), key)
    return np.random.default_rng(key).integers(-1, 2, shape)


def steps_of(x):
    """Return -1, 0 or 1 for each entry of x, that depend on its own bits alone."""
    bits = np.ascontiguousarray(x, dtype=np.float64).view(np.uint64).reshape(np.shape(x)) ^ np.uint64(SEED)
    for factor, shift in ((0x9E3779B97F4A7C15, 29), (0xBF58476D1CE4E5B9, 32)):
        with np.errstate(over="ignore"):  # of one number NumPy says that it wraps round
            bits = bits * np.uint64(factor)
        bits = bits ^ (bits >> np.uint64(shift))
    return (bits % np.uint64(3)).astype(np.int64) - 1


def moved(result, step, size):
    """Return a result of float64 moved by steps of a size, at least of a unit where the size is not 0."""
    with np.errstate(all="ignore"):
        new = result + step * np.where(size > 0, np.maximum(size, np.spacing(np.abs(result))), 0.0)
    return np.where(np.isfinite(new), new, result)


def lowest(x):
    """Return the exponents of the lowest bits that are set, 5000 for 0."""
    mantissa, exponent = np.frexp(np.abs(np.where(np.isfinite(x), x, 0.0)))
    whole = (mantissa * 2.0**53).astype(np.int64)
    return np.where(whole == 0, 5000, np.log2(np.maximum(whole & -whole, 1)).astype(np.int64) + exponent - 53)


def product(a, b, result):
    """Return a product of a and b that is off by the rounding of its sums in another order."""
    if a.ndim > 2 and b.ndim == 1:
        return product(a.reshape(-1, a.shape[-1]), b, result.reshape(-1)).reshape(result.shape)
    if a.ndim > 2 or b.ndim > 2:  # a stack is multiplied one by one
        new = result.copy()
        left, right = (np.broadcast_to(x, (*result.shape[:-2], *x.shape[-2:])) for x in (a, b))
        for place in np.ndindex(result.shape[:-2]):
            new[place] = product(left[place], right[place], result[place])
        return new
    rows, columns = np.atleast_2d(a), b if b.ndim == 2 else b[:, None]
    with np.errstate(all="ignore"):
        size = np.abs(rows) @ np.abs(columns)
        terms = (rows != 0).astype(float) @ (columns != 0).astype(float)
        unit = lowest(rows).min(axis=1, initial=5000)[:, None] + lowest(columns).min(axis=0, initial=5000)
        exact = (size <= np.ldexp(1.0, np.clip(53 + unit, -1070, 1020))) | (terms <= 1)
    size = np.where(exact, 0.0, size * HALF).reshape(result.shape)
    new = moved(result, steps(result.shape, a, b), size)
    if result.ndim == 2 and result.shape[0] == result.shape[1] and np.array_equal(result, result.T, equal_nan=True):
        new = np.tril(new) + np.tril(new, -1).T
    return new


def function(called, x, result):
    """Return f(x) that is off by a unit, unless it equals the value of more digits."""
    with np.errstate(all="ignore"):
        exact = called(np.asarray(x, np.longdouble)) == np.asarray(result).astype(np.longdouble)
    return moved(result, steps_of(x), np.where(exact | (result == 0), 0.0, np.spacing(np.abs(result))))


def factor(a, arguments, result):
    """Return a part of a factorisation or a solution that is off by half a unit of its largest number."""
    if isinstance(result, tuple):
        parts = [factor(a, arguments, part) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    part = np.asarray(result)
    if part.dtype != np.float64 or not part.size or not np.any(a[..., ~np.eye(*a.shape[-2:], dtype=bool)]):
        return result
    if a.ndim > 2:
        return np.array([factor(*each) for each in zip(a, [arguments] * len(a), part, strict=True)])
    new = moved(part, steps(part.shape, a, *arguments), np.full(part.shape, np.abs(part).max() * HALF))
    return new if part.ndim else float(new)


def last_bits_product(a, b):
    """Return a @ b."""
    result = a @ b
    arrays = all(isinstance(x, np.ndarray) and x.dtype == np.float64 for x in (a, b, np.asarray(result)))
    return product(a, b, np.asarray(result))[()] if arrays else result


def last_bits_power(a, b):
    """Return a ** b."""
    result = a**b
    whole = not isinstance(result, np.ndarray) or result.dtype != np.float64 or (np.ndim(b) == 0 and b in PLAIN_POWERS)
    return result if whole else function(lambda x: x**b, a, result)


def last_bits_call(called, *arguments, **options):
    """Return what a function of NumPy returns."""
    name, result = called.__name__, called(*arguments, **options)
    first = arguments[0]
    if name == "matmul" and isinstance(options.get("out"), np.ndarray):
        return result
    if name in FUNCTIONS and isinstance(result, np.ndarray) and result.dtype == np.float64 and len(arguments) == 1:
        return function(called, first, result)
    if name in ("matmul", "dot") and isinstance(result, np.ndarray) and result.dtype == np.float64:
        return product(np.asarray(first), np.asarray(arguments[1]), result)
    if name == "einsum" and isinstance(result, np.ndarray) and result.dtype == np.float64:
        size = called(first, *(np.abs(x) for x in arguments[1:]), **options)
        whole = all(np.array_equal(x, np.rint(x)) for x in arguments[1:])
        return moved(result, steps(result.shape, *arguments[1:]), 0.0 if whole else size * HALF)
    if name in FACTORS and isinstance(first, np.ndarray):
        return factor(first, arguments[1:], result)
    return result


class Through(ast.NodeTransformer):
    """Let products, powers and calls of NumPy's functions go through this file."""

    def visit_FunctionDef(self, node):
        names = {getattr(part, "id", "") for decorator in node.decorator_list for part in ast.walk(decorator)}
        return node if names & COMPILED else self.generic_visit(node)

    def visit_BinOp(self, node):
        self.generic_visit(node)
        name = {ast.MatMult: "last_bits_product", ast.Pow: "last_bits_power"}.get(type(node.op))
        if name is None or isinstance(node.left, ast.Constant):
            return node
        return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), [node.left, node.right], []), node)

    def visit_Call(self, node):
        self.generic_visit(node)
        *room, name = ast.unparse(node.func).split(".")
        if room not in (["np"], ["np", "linalg"]) or name not in FUNCTIONS | PRODUCTS | FACTORS:
            return node
        through = ast.Name("last_bits_call", ast.Load())
        return ast.copy_location(ast.Call(through, [node.func, *node.args], node.keywords), node)


def through(tree):
    """Return a changed syntax tree."""
    return ast.fix_missing_locations(Through().visit(tree))


plain_code = importlib.machinery.SourceFileLoader.source_to_code
plain_asserts = rewriting.rewrite_asserts


def source_to_code(self, data, path, *rest, **options):
    """Compile a source, changed if it is lmdata's."""
    mine = "/lmdata/" in str(path) and "site-packages" not in str(path)
    return plain_code(self, through(ast.parse(data)) if mine else data, path, *rest, **options)


def rewrite_asserts(tree, source, module_path=None, config=None):
    """Let pytest rewrite a module of tests that is changed."""
    plain_asserts(through(tree), source, module_path, config)


def pytest_load_initial_conftests():
    """Change what is imported from here on, and keep none of it for ordinary runs."""
    for made in (last_bits_product, last_bits_power, last_bits_call):
        setattr(builtins, made.__name__, made)
    importlib.machinery.SourceFileLoader.source_to_code = source_to_code
    rewriting.rewrite_asserts = rewrite_asserts
    sys.pycache_prefix = tempfile.mkdtemp(prefix="last-bits-")


def pytest_unconfigure():
    """Leave no files."""
    shutil.rmtree(sys.pycache_prefix, ignore_errors=True)
