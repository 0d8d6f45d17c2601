"""The dynamics need numpy and array-api-compat alone: they also run where there is no store and no plot."""

import subprocess
import sys

BLOCKED = ("xarray", "zarr", "dask", "numba", "icechunk", "scipy", "pandas", "panel", "holoviews", "pydantic")

PROGRAM = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(name + " is blocked", name=name)

sys.meta_path.insert(0, Blocker())
import numpy as np
import lmdata.dynamics as dynamics

start = dynamics.tokens.uniform(6, 2).draw(0)
model = dynamics.Localmax(dynamics.schedules.Geometric(0.5, 0.9), alignment=np.eye(2))
model.check(start, 5)
frames = dynamics.Localmax.advance([model], start[None], start=0, record=[5], seeds=[0], backend="numpy:canonical")
print(frames.position.shape, *sorted(set({blocked!r}) & set(sys.modules)))
"""


def test_dynamics_run_where_nothing_else_is_installed():
    program = PROGRAM.format(blocked=BLOCKED)
    result = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert result.stderr == ""
    assert result.stdout.split("\n")[0] == "(1, 1, 6, 2)"
