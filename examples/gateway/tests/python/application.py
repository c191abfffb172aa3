"""A FastAPI application behind uvicorn. It prints its port, and ends with its standard input."""

import asyncio
import json
import sys

import uvicorn
from fastapi import FastAPI, Request, WebSocket

app = FastAPI()


@app.get("/me")
async def me(request: Request):
    return {"user": request.headers.get("x-auth-user"), "scheme": request.url.scheme}


@app.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept()
    user = socket.headers["x-auth-user"]
    print(json.dumps({"user": user, "query": socket.url.query}), flush=True)
    while True:
        text = await socket.receive_text()
        await socket.send_text(f"{user}: {text}")


async def main():
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    print(json.dumps({"port": port}), flush=True)
    await serving


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit()
