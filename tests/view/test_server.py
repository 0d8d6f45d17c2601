"""Who may see the dashboard: this machine, unless told otherwise with a password."""

from __future__ import annotations

import pytest

from lmdata.errors import InvalidInput, UnknownName
from lmdata.view.server import serve


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.7", "10.0.0.1"])
def test_other_machines_need_a_password(address):
    with pytest.raises(InvalidInput, match=r"password=.*127\.0\.0\.1.*SSH"):
        serve("localmax-square", address=address, open_browser=False)


def test_every_address_needs_the_name_that_browsers_use():
    with pytest.raises(InvalidInput, match="origin="):
        serve("localmax-square", address="0.0.0.0", password="secret", open_browser=False)


@pytest.mark.parametrize("address", ["", "localhost", "::1", "everywhere"])
def test_an_address_is_an_ipv4_address(address):
    with pytest.raises(InvalidInput, match="IPv4"):
        serve("localmax-square", address=address, open_browser=False)


def test_an_unknown_dataset_is_said_before_anything_listens():
    with pytest.raises(UnknownName, match="localmax-square"):
        serve("localmax-sqare", open_browser=False)
