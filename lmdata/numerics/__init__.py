"""Exact arithmetic and compiled tools: checks of numbers, compiling, threads, vector registers, random streams."""
