"""One case of a client library in Python: what its application sees of a refusal or an ending.

The job is on its standard input; see tests/libraries.
"""

import asyncio
import json
import sys
import threading
from urllib.request import urlopen

JOB = json.load(sys.stdin)
HTTP = f"http://127.0.0.1:{JOB['port']}"
SOCKETS = f"ws://127.0.0.1:{JOB['port']}"
LINES = []
PATIENCE = 30


def log(name, detail=None):
    LINES.append(name if detail is None else f"{name} {json.dumps(detail, separators=(',', ':'))}")


def refresh():
    log("refresh")
    urlopen(f"{HTTP}/refresh").close()
    return "fresh"


def end():
    urlopen(f"{HTTP}/end?reason={JOB['end']}").close()


def python_socketio():
    import socketio

    def attempt(token):
        """The reason of the refusal or of the ending; None where it stays connected."""
        client = socketio.Client(reconnection=False)
        reasons, over = [], threading.Event()

        @client.on("connect_error")
        def _(data):
            log("connect_error", data)
            reasons.append(data.get("message") if isinstance(data, dict) else data)

        @client.on("auth_ended")
        def _(data):
            log("auth_ended", data)
            reasons.append(data["reason"])

        @client.on("disconnect")
        def _(reason):
            log("disconnect", reason)
            over.set()

        try:
            client.connect(f"{HTTP}?token={token}", auth={"token": token}, transports=["websocket"])
        except socketio.exceptions.ConnectionError:
            return reasons[-1] if reasons else "?"
        log("connected", token)
        if token == "fresh" or not JOB["end"]:
            client.disconnect()
            return None
        end()
        over.wait(PATIENCE)
        return reasons[-1] if reasons else "?"

    if attempt(JOB["token"]) == "token_expired":
        attempt(refresh())


def gql():
    from gql import Client
    from gql import gql as query
    from gql.transport.exceptions import TransportConnectionFailed
    from gql.transport.websockets import WebsocketsTransport

    async def attempt(token):
        transport = WebsocketsTransport(url=f"{SOCKETS}/graphql?token={token}")
        try:
            async with Client(transport=transport) as session:
                log("connected", token)
                if token == "fresh" or not JOB["end"]:
                    return None
                await asyncio.to_thread(end)
                async for _ in session.subscribe(query("subscription { tick }")):
                    pass
        except TransportConnectionFailed as error:
            closed = error.__cause__.rcvd
            log("closed", [closed.code, closed.reason])
            return closed.reason

    async def main():
        if await attempt(JOB["token"]) == "token_expired":
            await attempt(refresh())

    asyncio.run(main())


library = {"python-socketio": python_socketio, "gql": gql}[JOB["library"]]
threads = [threading.Thread(target=library) for _ in range(JOB["clients"])]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(LINES))
