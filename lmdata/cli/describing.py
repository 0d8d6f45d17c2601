"""What is said of a dataset that was made or opened."""

from __future__ import annotations

from typing import Any

from lmdata.wording import counted


def describe(dataset: Any, place: str) -> dict[str, Any]:
    """Return what a dataset is, and how many of its members there are."""
    status = dataset["status"].values if "status" in dataset else None
    complete = None if status is None else int((status == 1).sum())
    members = None if status is None else int(status.size)
    summary = {
        "place": place,
        "sizes": dict(dataset.sizes),
        "recipe_id": dataset.attrs.get("recipe_id"),
        "digest": dataset.attrs.get("digest"),
        "backend": dataset.attrs.get("backend"),
        "members": members,
        "complete": complete,
    }
    told = "no members" if members is None else f"{complete} of {counted(members, 'member')} complete"
    return summary | {"text": f"{dataset!r}\n\n{place}: {told}"}
