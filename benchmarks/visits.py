"""What visits of the dashboard keep: memory after 20 and 200 of them. ``python -m benchmarks.visits [NUMBER]``."""

from __future__ import annotations

import asyncio
import gc
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import lmdata


def visit(number: int, seen: Callable[[int], None]) -> None:
    """Visit a served dashboard so often, one visitor after the other; call ``seen`` when a session is over."""
    from panel.io.server import get_server
    from tornado.httpclient import AsyncHTTPClient, HTTPRequest
    from tornado.ioloop import IOLoop
    from tornado.websocket import websocket_connect

    from lmdata.view.dashboard import dashboard, shared

    sweep = {"alignment_sensitivity": [0.0, 0.1]}
    shown = shared(lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(16, 2), steps=10, sweep=sweep))
    loop = IOLoop(make_current=False)
    soon = {"unused_session_lifetime_milliseconds": 200, "check_unused_sessions_milliseconds": 100}
    server = get_server(lambda: dashboard(shown), loop=loop, port=0, address="127.0.0.1", **soon)
    place = f"127.0.0.1:{server.port}"
    failed: list[BaseException] = []

    async def visits() -> None:
        try:
            for count in range(1, number + 1):
                page = await AsyncHTTPClient().fetch(f"http://{place}/", request_timeout=120)
                token = re.search(rb'"token":"([^"]+)"', page.body)
                assert token is not None
                asked = HTTPRequest(f"ws://{place}/ws", headers={"Origin": f"http://{place}"})
                socket = await websocket_connect(asked, subprotocols=["bokeh", token[1].decode()])
                await socket.read_message()
                socket.close()
                for _ in range(600):
                    if not server.get_sessions():
                        break
                    await asyncio.sleep(0.05)
                seen(count)
        except BaseException as error:
            failed.append(error)
        loop.stop()

    loop.add_callback(visits)
    try:
        server.start()
        loop.start()
    finally:
        server.stop()
        loop.close()
    if failed:
        raise failed[0]


def resident() -> float:
    """Return the memory that this process holds now, in MB; the most that it ever held where that is not told."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    """Print the memory on the way."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 200

    def seen(count: int) -> None:
        if count in (1, 10, 20, 50, 100, number):
            print(f"{count:4d} visits: {resident():.0f} MB", flush=True)

    visit(number, seen)


if __name__ == "__main__":
    main()
