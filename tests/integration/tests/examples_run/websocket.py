"""A WebSocket server that sends back what it is sent, and a client that compares.

websocket.py serve ADDRESS PORT
websocket.py talk URL ADDRESS PORT AUTHORITY: URL says whom to ask for, ADDRESS and PORT where
"""

import asyncio
import ssl
import sys
from urllib.parse import urlsplit

import websockets

SUBPROTOCOL = "echo.example"
SIZE_MAX = 4 << 20
MESSAGES = [
    "hello",
    "",
    "snowman \N{SNOWMAN}",
    bytes(range(256)),
    b"\0" * (1 << 20),
    "many " * 50_000,
]


async def echo(socket, *_):
    try:
        async for message in socket:
            await socket.send(message)
    except websockets.ConnectionClosed as end:
        # The client's own code, which is not 1000.
        assert end.code == 4000, end


async def serve(address, port):
    server = websockets.serve(
        echo, address, int(port), subprotocols=[SUBPROTOCOL], max_size=SIZE_MAX
    )
    async with server:
        print("serving", flush=True)
        await asyncio.Event().wait()


async def talk(url, address, port, authority):
    options = {}
    if url.startswith("wss:"):
        options["ssl"] = ssl.create_default_context(cafile=authority)
        options["server_hostname"] = urlsplit(url).hostname
    client = websockets.connect(
        url,
        host=address,
        port=int(port),
        subprotocols=[SUBPROTOCOL],
        max_size=SIZE_MAX,
        **options,
    )
    async with client as socket:
        assert socket.subprotocol == SUBPROTOCOL, socket.subprotocol
        for message in MESSAGES:
            await socket.send(message)
            came = await socket.recv()
            assert came == message, (message[:40], came[:40])
        await socket.send(["in ", "three ", "fragments"])
        assert await socket.recv() == "in three fragments"
        # Sent before any of them is read.
        for number in range(100):
            await socket.send(str(number))
        assert [await socket.recv() for _ in range(100)] == [str(n) for n in range(100)]
        await (await socket.ping(b"still there?"))
        await socket.close(code=4000, reason="enough")
        assert socket.close_code == 4000, socket.close_code
    print("all came back")


action, *rest = sys.argv[1:]
limit = {"serve": 600, "talk": 30}[action]
asyncio.run(asyncio.wait_for({"serve": serve, "talk": talk}[action](*rest), limit))
