"""Where run stores live: icechunk repositories in a folder or a bucket, and the zarr arrays in them."""

from __future__ import annotations

import atexit
import os
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Self

import icechunk
import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec
from zarr.errors import ChunkNotFoundError, ZarrUserWarning
from zarr.storage import LocalStore, MemoryStore

from lmdata.data import registry
from lmdata.data.grid import Grid
from lmdata.data.store.prevented import fetched, looking, preventing, summary
from lmdata.data.store.process import check_process
from lmdata.data.store.written import Counted
from lmdata.errors import CorruptDataset, InvalidInput, LmdataError, StoreError, UnknownName
from lmdata.numerics.checks import as_path

if "ICECHUNK_LOG" not in os.environ:
    icechunk.set_logs_filter("error")

SIMULATION = "simulation"
"""Form of a store that does not name its form, as the first kind of run does not."""
EXIT_SECONDS = 0.05
LOCK_FILE = "writer.lock"
STAGED = re.compile(r"#\d+$")
"""How the name of a file ends that icechunk is writing, and that it then renames."""
RESERVED = ("lmdata_schema", "lmdata_form", "layout_digest", "digest", "failures")
"""Attributes of a stored group that the store itself keeps."""
REFERENCES_PER_MANIFEST = 1000
"""A commit rewrites the manifests that it touches: split, late commits stay as cheap as early ones."""


@dataclass(frozen=True)
class Place:
    """Where a store is: a local folder, or a prefix of an S3 bucket.

    Credentials, region and endpoint of S3 come from the usual environment variables (``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``), and are never written anywhere.

    Examples
    --------
    >>> Place.of("s3://bucket/runs/one").prefix
    'runs/one'
    """

    folder: Path | None
    bucket: str = ""
    prefix: str = ""

    @classmethod
    def of(cls, location: str | os.PathLike[str]) -> Self:
        """Return the place that a path or an ``s3://bucket/prefix`` address names.

        Raises
        ------
        InvalidInput
            If it is no path, or the address has another scheme, no prefix, or credentials in it.
        """
        text = os.fspath(location)
        if not isinstance(text, str):
            raise InvalidInput(f"location is {text!r}; give a path as text, or s3://bucket/prefix")
        scheme, separator, rest = text.partition("://")
        if not separator:
            return cls(as_path(text, "location").absolute())
        bucket, _, prefix = rest.partition("/")
        if scheme != "s3" or not bucket or not prefix.strip("/") or set("@?#") & set(rest):
            raise InvalidInput(
                f"store is at {scheme}://...; give a path or s3://bucket/prefix, credentials in the environment"
            )
        return cls(None, bucket, prefix.strip("/"))

    def __str__(self) -> str:
        return str(self.folder) if self.folder is not None else f"s3://{self.bucket}/{self.prefix}"

    @classmethod
    def local(cls, location: str | os.PathLike[str]) -> Path:
        """Return the folder that a path names, for what is written into folders only.

        Raises
        ------
        InvalidInput
            If it is an address.
        """
        place = cls.of(location)
        if place.folder is None:
            raise InvalidInput(f"{place} is an address; plain zarr is written into a folder: give a path")
        return place.folder

    def taken(self) -> bool:
        """Return whether there is something at this place; a creation in a bucket that was cut short is nothing.

        Raises
        ------
        Prevented
            If the bucket cannot be reached.
        """
        if self.folder is not None:
            return os.path.lexists(self.folder)
        check_process()

        def something() -> bool:
            return icechunk.Repository.exists(self.storage()) and not is_empty(icechunk.Repository.open(self.storage()))

        return fetched(something, f"{self} cannot be reached")

    def storage(self) -> icechunk.Storage:
        """Return icechunk's storage for this place."""
        if self.folder is not None:
            return icechunk.local_filesystem_storage(str(self.folder))
        endpoint = os.environ.get("AWS_ENDPOINT_URL")
        return icechunk.s3_storage(
            bucket=self.bucket,
            prefix=self.prefix,
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
            endpoint_url=endpoint,
            allow_http=(endpoint or "").startswith("http://"),
            force_path_style=endpoint is not None,
            from_env=True,
        )


def create_repository(place: Place, *, among_remains: bool = False) -> icechunk.Repository:
    """Make an empty repository; its configuration is kept with it.

    Parameters
    ----------
    place
        Where.
    among_remains
        Whether there may be something already: what `are_remains` told of.
    """
    check_process()
    everywhere = icechunk.ManifestSplitCondition.AnyArray()
    splitting = icechunk.ManifestSplittingConfig.from_dict(
        {everywhere: {icechunk.ManifestSplitDimCondition.Any(): REFERENCES_PER_MANIFEST}}
    )
    manifest = icechunk.ManifestConfig(splitting=splitting)
    config = icechunk.RepositoryConfig(manifest=manifest)
    repository = icechunk.Repository.create(
        place.storage(), config=config, spec_version=2, check_clean_root=not among_remains
    )
    repository.save_config()
    return repository


def are_remains(place: Place) -> bool:
    """Return whether all that is at a place in a bucket is what is written before a repository is there.

    icechunk lists it while nothing else runs in this process; ask only where there is something, and no repository.
    """
    found = place.storage().list_objects_metadata()
    return {each.key.partition("/")[0] for each in found} <= {"snapshots", "transactions"}


def is_empty(repository: icechunk.Repository) -> bool:
    """Return whether nothing was ever committed: whoever made the repository was stopped before its store was."""
    return len(list(islice(repository.ancestry(branch="main"), 2))) == 1


def open_repository(place: Place) -> icechunk.Repository:
    """Open the repository of a run store.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the place.
    StoreError
        If what is there is no icechunk repository, or one that a newer icechunk wrote.
    CorruptDataset
        If the repository cannot be read.
    Prevented
        If it cannot be reached, or the machine or missing rights prevent it.
    """
    check_process()
    _end_quietly()
    if place.folder is not None:
        with looking(place.folder):
            if not place.folder.exists():
                raise FileNotFoundError(f"there is no dataset at {place}")
            if not (place.folder / "repo").is_file():
                raise StoreError(f"{place} is no run store of lmdata: it holds no icechunk repository")

    try:
        return fetched(lambda: icechunk.Repository.open(place.storage()), f"the repository at {place} cannot be read")
    except CorruptDataset as error:
        if isinstance(error.__cause__, icechunk.RepositoryNotFoundError):
            raise FileNotFoundError(f"there is no dataset at {place}") from error.__cause__
        raise


@cache
def _end_quietly() -> None:
    """Let icechunk's threads come to rest before Python ends: one that is still busy then crashes the process.

    Seen with icechunk 2.3 on Python 3.12 in one of ten processes that end right after a commit.
    """
    atexit.register(time.sleep, EXIT_SECONDS)


def open_session(place: Place, *, snapshot: str | None = None, tag: str | None = None) -> icechunk.Session:
    """Open a commit of a run store for reading: the last one, or the one of this id or version.

    Raises
    ------
    UnknownName
        If there is no such version.
    FileNotFoundError, StoreError, CorruptDataset
        As for `open_repository`.
    """
    repository = open_repository(place)

    def opened() -> icechunk.Session:
        if tag is not None and tag not in repository.list_tags():
            raise UnknownName.among(f"version of {place}", tag, repository.list_tags())
        branch = "main" if snapshot is None and tag is None else None
        return repository.readonly_session(branch, tag=tag, snapshot_id=snapshot)

    return fetched(opened, f"the last commit at {place} cannot be read")


@contextmanager
def committed(place: Place | None, store: Any) -> Iterator[None]:
    """Tell the reader of a commit that has been removed from the one whose data is damaged.

    Parameters
    ----------
    place
        Of the run store; None for anything else.
    store
        The zarr store that is read, of icechunk.

    Raises
    ------
    StoreError
        If what is read belongs to a commit that is no longer there.
    """
    try:
        yield
    except CorruptDataset as error:
        if place is None or not isinstance(store, icechunk.IcechunkStore):
            raise
        snapshot = store.session.snapshot_id
        repository = open_repository(place)
        tips = {*map(repository.lookup_tag, repository.list_tags())}
        if snapshot in tips or any(commit.id == snapshot for commit in repository.ancestry(branch="main")):
            raise
        raise StoreError(
            f"the commit {snapshot} of {place} that is read here is gone: since it was opened, much has been written, "
            "and the writer has tidied up; open it again"
        ) from error


RESUME = "what was committed is kept: make room or get access, then resume"
"""Remedy where a run could not be written on."""
AGAIN = "make room or get access, then try again"
"""Remedy where a store could not be changed."""
ELSEWHERE = "make room or get access, or choose another place"
"""Remedy where something new could not be written."""
CLOCK = "what was committed is kept: set the clock right that was set, then resume or try again"
"""Remedy where icechunk refuses a commit that would be older than the one before it, or far from its files' times."""


@contextmanager
def writing(place: Place, remedy: str = RESUME) -> Iterator[None]:
    """Turn what the libraries raise while writing into a `StoreError` that says what to do.

    Raises
    ------
    Prevented
        If the machine, missing rights or the network prevented it.
    StoreError
        If anything else did.
    """
    try:
        yield
    except LmdataError:
        raise
    except icechunk.ConflictError as error:
        raise StoreError(f"somebody else has written to {place} meanwhile; open it again and go on") from error
    except (icechunk.IcechunkError, OSError, MemoryError) as error:
        told, kind = summary(error), preventing(error) or StoreError
        raise kind(f"cannot write to {place}: {told}; {CLOCK if 'timestamp' in told else remedy}") from error


class Snapshot(zarr.Group):
    """A group that is only read: what it has been asked for once is kept.

    Opening a dataset asks for some thirty names several times, and each time costs a turn of zarr's event loop. The
    nodes of a commit do not change, so those of a run store are listed in one turn.
    """

    @cached_property
    def _nodes(self) -> dict[str, Any]:
        return dict(self.members()) if self._fixed else {}

    @property
    def _fixed(self) -> bool:
        return isinstance(self.store, icechunk.IcechunkStore)

    def get(self, path: str, default: Any = None) -> Any:
        """Return the node at a path."""
        if path not in self._nodes:
            self._nodes[path] = None if self._fixed and "/" not in path else super().get(path)
        node = self._nodes[path]
        return default if node is None else node

    def __contains__(self, member: str) -> bool:
        """Return whether there is a node at a path."""
        return self.get(member) is not None


def create_array(
    group: zarr.Group,
    name: str,
    dims: Sequence[str],
    shape: Sequence[int],
    chunks: Sequence[int],
    dtype: np.dtype[Any],
    *,
    fill: Any = None,
    attributes: dict[str, Any] | None = None,
) -> zarr.Array[Any]:
    """Declare an array whose chunks are compressed and end in a checksum (crc32c, always the last codec)."""
    if dtype.kind == "f":
        squeeze: Any = BloscCodec(cname="lz4", shuffle="bitshuffle", typesize=dtype.itemsize)
    else:
        squeeze = ZstdCodec(level=3)
    return group.create_array(
        name,
        shape=tuple(shape),
        chunks=tuple(chunks),
        dtype=dtype,
        compressors=[squeeze, Crc32cCodec()],
        fill_value=dtype.type() if fill is None else fill,
        attributes=attributes or {},
        dimension_names=list(dims),
        config={"write_empty_chunks": True},
    )


def declare(group: zarr.Group, layout: Grid) -> None:
    """Declare every coordinate and variable of a layout, and write those that are known."""
    form = {} if layout.form == SIMULATION else {"lmdata_form": layout.form}
    group.attrs.put({"lmdata_schema": registry.SCHEMA, **form, "layout_digest": layout.digest, **layout.attrs})
    for name, (dims, values, attrs) in {**layout.coords(), **layout.given()}.items():
        column = create_array(group, name, dims, values.shape, values.shape, values.dtype, attributes=attrs)
        column[...] = values
    for name in layout.variables:
        spec = layout.variable(name)
        dims = layout.dimensions(name)
        create_array(
            group,
            name,
            dims,
            [layout.sizes[dim] for dim in dims],
            layout.chunks(name),
            layout.dtypes(name),
            fill=spec.fill,
            attributes=spec.attributes(),
        )


def enlarge(group: zarr.Group, layout: Grid) -> None:
    """Make the variables of a group as large as a wider layout, and write what is known of it."""
    kept = {name: value for name, value in group.attrs.asdict().items() if name in RESERVED}
    group.attrs.put({**kept, "layout_digest": layout.digest, **layout.attrs})
    for name, (_, values, _) in {**layout.coords(), **layout.given()}.items():
        column = array(group, name)
        if column.shape != values.shape:
            column.resize(values.shape)
            column[...] = values
    for name in layout.variables:
        array(group, name).resize(tuple(layout.sizes[dim] for dim in layout.dimensions(name)))


def form_of(group: zarr.Group) -> str:
    """Return what kind of dataset a group says that it holds."""
    return str(group.attrs.get("lmdata_form", SIMULATION))


def array(group: zarr.Group, name: str, *, missing: bool = False) -> zarr.Array[Any]:
    """Open an array so that chunks never written raise, or, with ``missing``, read as fill.

    Raises
    ------
    CorruptDataset
        If there is no such array.
    StoreError
        If this process was forked from one that used the store.
    """
    check_threads(group.store)
    node = group.get(name)
    if not isinstance(node, zarr.Array):
        raise CorruptDataset(f"variable {name!r} is not in the store: it was removed or renamed")
    if not missing:
        check_missing_chunks_raise()
    return node.with_config({"read_missing_chunks": missing, "write_empty_chunks": True})


def check_threads(store: Any) -> None:
    """Refuse to ask a zarr store whose threads stayed in the process that this one was forked from.

    Raises
    ------
    StoreError
        See `lmdata.data.store.process.check_process`.
    """
    if isinstance(store, (icechunk.IcechunkStore, Counted)):
        check_process()


@cache
def check_missing_chunks_raise() -> None:
    """Try, once a process, that this zarr raises on chunks never written: it ignores settings unknown to it.

    Raises
    ------
    StoreError
        If it does not.
    """
    probe = zarr.create_array(MemoryStore(), shape=(1,), dtype="f8", zarr_format=3)
    try:
        probe.with_config({"read_missing_chunks": False})[...]
    except ChunkNotFoundError:
        return
    raise StoreError(f"zarr {zarr.__version__} reads missing chunks as numbers; install zarr >= 3.4")


def dimensions(array: zarr.Array[Any]) -> tuple[str, ...]:
    """Return the names of an array's dimensions."""
    metadata: Any = array.metadata
    return tuple(str(name) for name in metadata.dimension_names or ())


def transformers(array: zarr.Array[Any]) -> tuple[Any, ...]:
    """Return an array's storage transformers, which no dataset has."""
    metadata: Any = array.metadata
    return tuple(metadata.storage_transformers)


def codecs(array: zarr.Array[Any]) -> tuple[str, ...]:
    """Return the names of an array's codecs, in the order in which they encode."""
    metadata: Any = array.metadata
    return tuple(str(codec["name"]) for codec in metadata.to_dict()["codecs"])


def consolidate(folder: Path) -> None:
    """Write consolidated metadata into a plain zarr folder: readers then need one request for all of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)  # zarr 3 reads it but has not written it down yet
        zarr.consolidate_metadata(LocalStore(folder), zarr_format=3)
