"""How much memory a run may take: what the machine has, and what cgroups leave of it."""

import os
from pathlib import Path

import pytest

from lmdata.memory import available_memory


def machine(root, *, cgroup="", **folders):
    """Write what Linux tells: 8 MiB are available, and what the folders of cgroups hold."""
    files = {
        "proc/meminfo": "MemTotal:       9000 kB\nMemFree:        100 kB\nMemAvailable:   8192 kB\n",
        "proc/self/cgroup": cgroup,
    }
    for folder, contents in folders.items():
        files |= {f"sys/fs/cgroup/{folder.replace('_', '/')}/{name}": str(value) for name, value in contents.items()}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def limit(most, used, files=0):
    return {"memory.max": most, "memory.current": used, "memory.stat": f"anon 5\ninactive_file {files}\n"}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({}, 8 << 20),
        ({"cgroup": "0::/\n"}, 8 << 20),
        ({"cgroup": "0::/a/b\n", "a_b": limit(1000, 300), "a": limit("max", 300)}, 700),
        ({"cgroup": "0::/a/b\n", "a_b": limit("max", 300), "a": limit(1000, 600, 50)}, 450),
        ({"cgroup": "0::/a\n", "a": limit(1000, 1200)}, 0),
        (
            {
                "cgroup": "5:cpu:/x\n4:memory:/of/host\n",
                "memory": {"memory.limit_in_bytes": 900, "memory.usage_in_bytes": 500, "memory.stat": "cache 3"},
            },
            400,
        ),
    ],
)
def test_memory_of_linux(tmp_path, groups, expected):
    assert available_memory(machine(tmp_path, **groups)) == expected


def test_memory_elsewhere_is_all_there_is(tmp_path, monkeypatch):
    assert available_memory(tmp_path) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    monkeypatch.setattr(os, "sysconf_names", {})
    assert available_memory(tmp_path) > 2**60


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="there is no /proc/meminfo on this system")
def test_memory_of_this_machine_is_some_but_not_more_than_all():
    assert 0 < available_memory() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
