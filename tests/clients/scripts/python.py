"""Opens as many sockets as it is told, a few at a time, and counts what it reads.

The job is on its standard input; see tests/refusals.rs.
"""

import asyncio
import itertools
import json
import sys
from collections import Counter

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def read(url, origin):
    try:
        async with connect(url, origin=origin, compression="deflate", open_timeout=60, close_timeout=60) as socket:
            try:
                message = await socket.recv()
                return f"message {message!r}"
            except ConnectionClosed as closed:
                return f"{closed.rcvd.code} {closed.rcvd.reason} {closed.rcvd_then_sent}"
    except Exception as error:  # Whatever it is, it is counted.
        return f"{type(error).__name__}: {error}"


async def main():
    job = json.load(sys.stdin)
    exact, wrong = 0, Counter()
    todo = itertools.islice(itertools.cycle(job["refusals"]), job["count"])

    async def one():
        nonlocal exact
        for refusal in todo:
            got = await read(job["base"] + refusal["target"], job["origin"])
            expected = f"{refusal['code']} {refusal['reason']} True"
            if got == expected:
                exact += 1
            else:
                wrong[f"{expected}: {got}"] += 1

    await asyncio.gather(*(one() for _ in range(job["at_a_time"])))
    print(json.dumps({"exact": exact, "wrong": wrong}))


asyncio.run(main())
