"""FastAPI with PyJWT: an echo server, for uvicorn. The secret is in the environment."""

import os

import jwt
from fastapi import FastAPI, WebSocket, WebSocketDisconnect, WebSocketException, status

SECRET = os.environ["SECRET"]
app = FastAPI()


@app.websocket("/ws")
async def echo(socket: WebSocket, token: str = "") -> None:
    if socket.headers.get("origin", "https://example.com") != "https://example.com":
        raise WebSocketException(code=status.WS_1008_POLICY_VIOLATION)
    try:
        jwt.decode(
            token,
            SECRET,
            algorithms=["HS256"],
            issuer="https://issuer.example",
            audience="chat",
        )
    except jwt.InvalidTokenError as error:
        raise WebSocketException(code=status.WS_1008_POLICY_VIOLATION) from error
    await socket.accept()
    try:
        while True:
            await socket.send_bytes(await socket.receive_bytes())
    except WebSocketDisconnect:
        pass
