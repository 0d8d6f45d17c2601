"""Operations of the system that fail when told to, or end the process, whoever calls them: Python, zarr or icechunk."""

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
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_int count, hits;
static int at, code, persistent;
static char folder[4096];

/* The number-th operation fails with an error, or, where the error is -1, kills the process: then those count that
   change what is on the disk. */
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
static void end(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

static int hit(const char *path, int changes) {
    if (!at || !path || strncmp(path, folder, strlen(folder)) || (code == -1 && !changes)) return 0;
    int now = ++count;
    return now == at || (persistent && now > at);
}
static const char *path_of(int fd, char *path) {
    char link[64];
    if (!at) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, 4095);
    if (length < 0) return NULL;
    path[length] = 0;
    return path;
}
static int due(const char *path, int changes) {
    if (!hit(path, changes)) return 0;
    if (code == -1) end();
    hits++;
    errno = code;
    return 1;
}
static int due_at(int fd, const char *path, int changes) {
    char here[4096];
    return due(path && path[0] == '/' ? path : path_of(fd, here), changes);
}
static int due_fd(int fd, int changes) { char path[4096]; return due(path_of(fd, path), changes); }
#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define CHANGES (flags & (O_CREAT | O_TRUNC))
#define OPEN(name) int name(const char *path, int flags, ...) { REAL(name); va_list a; va_start(a, flags); \
    mode_t mode = va_arg(a, mode_t); va_end(a); return due(path, CHANGES) ? -1 : real(path, flags, mode); }
OPEN(open) OPEN(open64)
#define OPENAT(name) int name(int at_fd, const char *path, int flags, ...) { REAL(name); va_list a; \
    va_start(a, flags); mode_t mode = va_arg(a, mode_t); va_end(a); \
    return due_at(at_fd, path, CHANGES) ? -1 : real(at_fd, path, flags, mode); }
OPENAT(openat) OPENAT(openat64)
ssize_t read(int fd, void *to, size_t n) { REAL(read); return due_fd(fd, 0) ? -1 : real(fd, to, n); }
ssize_t pread(int fd, void *to, size_t n, off_t o) { REAL(pread); return due_fd(fd, 0) ? -1 : real(fd, to, n, o); }
ssize_t pread64(int fd, void *to, size_t n, off64_t o) {
    REAL(pread64); return due_fd(fd, 0) ? -1 : real(fd, to, n, o); }
/* Every other write that is hit is done by half. */
#define WRITE(half, whole) char path[4096]; \
    if (!hit(path_of(fd, path), 1)) return whole; \
    if (code == -1) { if (at % 2 && (half) < 0) {} end(); } \
    hits++; errno = code; return -1
ssize_t write(int fd, const void *from, size_t n) { REAL(write); WRITE(real(fd, from, n / 2), real(fd, from, n)); }
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t o) {
    REAL(pwrite64); WRITE(real(fd, from, n / 2, o), real(fd, from, n, o)); }
ssize_t sendfile(int to, int from, off_t *o, size_t n) {
    REAL(sendfile); return due_fd(to, 1) ? -1 : real(to, from, o, n); }
ssize_t copy_file_range(int from, off64_t *i, int to, off64_t *o, size_t n, unsigned flags) {
    REAL(copy_file_range); return due_fd(to, 1) ? -1 : real(from, i, to, o, n, flags); }
int fsync(int fd) { REAL(fsync); return due_fd(fd, 0) ? -1 : real(fd); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); return due_fd(fd, 1) ? -1 : real(fd, n); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); return due_fd(fd, 1) ? -1 : real(fd, n); }
int rename(const char *from, const char *to) { REAL(rename); return due(to, 1) ? -1 : real(from, to); }
int link(const char *from, const char *to) { REAL(link); return due(to, 1) ? -1 : real(from, to); }
int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    REAL(linkat); return due_at(to_fd, to, 1) ? -1 : real(from_fd, from, to_fd, to, flags); }
int unlink(const char *path) { REAL(unlink); return due(path, 1) ? -1 : real(path); }
int unlinkat(int fd, const char *path, int flags) {
    REAL(unlinkat); return due_at(fd, path, 1) ? -1 : real(fd, path, flags); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return due(path, 1) ? -1 : real(path, mode); }
int rmdir(const char *path) { REAL(rmdir); return due(path, 1) ? -1 : real(path); }
DIR *opendir(const char *path) { REAL(opendir); return due(path, 0) ? NULL : real(path); }
int statx(int at_fd, const char *restrict path, int flags, unsigned int mask, struct statx *restrict to) {
    REAL(statx); return due(path, 0) ? -1 : real(at_fd, path, flags, mask, to); }
"""


KILL = -1
"""In place of an error number."""


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

    def kill_at(self, folder: Path, number: int) -> None:
        """Kill this process at the N-th operation that changes what is in a folder."""
        self._library.fail_arm(os.fsencode(folder), number, KILL, 0)

    @property
    def count(self) -> int:
        """How many operations there were since."""
        return int(self._library.fail_count())

    @property
    def failed(self) -> bool:
        """Whether an operation has failed."""
        return bool(self._hits)
