"""Operations of the system that fail when told to, in this process, whoever calls them: Python, zarr or icechunk."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_int count, hits;
static int at, code, persistent;
static char folder[4096];

void fail_arm(const char *where, int number, int error, int on) {
    at = 0;
    strncpy(folder, where, sizeof folder - 1);
    count = hits = 0;
    code = error;
    persistent = on;
    at = number;
}
int fail_hits(void) { return hits; }
int fail_count(void) { return count; }

static int due(const char *path) {
    if (!at || !path || strncmp(path, folder, strlen(folder))) return 0;
    int now = ++count;
    if (now == at || (persistent && now > at)) { hits++; errno = code; return 1; }
    return 0;
}
static int due_fd(int fd) {
    char link[64], path[4096];
    if (!at) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return due(path);
}
#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define OPEN(name) int name(const char *path, int flags, ...) { REAL(name); va_list a; va_start(a, flags); \
    mode_t mode = va_arg(a, mode_t); va_end(a); return due(path) ? -1 : real(path, flags, mode); }
OPEN(open) OPEN(open64)
#define OPENAT(name) int name(int at_fd, const char *path, int flags, ...) { REAL(name); va_list a; \
    va_start(a, flags); mode_t mode = va_arg(a, mode_t); va_end(a); \
    return due(path) ? -1 : real(at_fd, path, flags, mode); }
OPENAT(openat) OPENAT(openat64)
ssize_t read(int fd, void *to, size_t n) { REAL(read); return due_fd(fd) ? -1 : real(fd, to, n); }
ssize_t pread(int fd, void *to, size_t n, off_t o) { REAL(pread); return due_fd(fd) ? -1 : real(fd, to, n, o); }
ssize_t pread64(int fd, void *to, size_t n, off64_t o) { REAL(pread64); return due_fd(fd) ? -1 : real(fd, to, n, o); }
ssize_t write(int fd, const void *from, size_t n) { REAL(write); return due_fd(fd) ? -1 : real(fd, from, n); }
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t o) {
    REAL(pwrite64); return due_fd(fd) ? -1 : real(fd, from, n, o); }
int fsync(int fd) { REAL(fsync); return due_fd(fd) ? -1 : real(fd); }
int rename(const char *from, const char *to) { REAL(rename); return due(to) ? -1 : real(from, to); }
int link(const char *from, const char *to) { REAL(link); return due(to) ? -1 : real(from, to); }
int unlink(const char *path) { REAL(unlink); return due(path) ? -1 : real(path); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return due(path) ? -1 : real(path, mode); }
DIR *opendir(const char *path) { REAL(opendir); return due(path) ? NULL : real(path); }
int statx(int at_fd, const char *restrict path, int flags, unsigned int mask, struct statx *restrict to) {
    REAL(statx); return due(path) ? -1 : real(at_fd, path, flags, mask, to); }
"""


def build(folder: Path) -> Path | None:
    """Compile the library that makes operations fail; return where it is, or None without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    (folder / "failing.c").write_text(SOURCE)
    library = folder / "failing.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, folder / "failing.c", "-ldl"], check=True)
    return library


class Failing:
    """The library, in a process that was started with it in LD_PRELOAD."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(os.environ["LD_PRELOAD"])

    @contextmanager
    def at(self, folder: Path, number: int, error: int, *, persistent: bool = False) -> Iterator[None]:
        """Let the N-th operation on what is in a folder fail with an error number, or all from the N-th on."""
        self._library.fail_arm(os.fsencode(folder), number, error, persistent)
        try:
            yield
        finally:
            self._hits = self._library.fail_hits()
            self._library.fail_arm(b"/", 0, 0, 0)

    @property
    def failed(self) -> bool:
        """Whether an operation has failed."""
        return bool(self._hits)
