import asyncio, os


async def serve(r, w):
    w.write((await r.readline()).upper())
    await w.drain()
    w.close()


async def ask(i, port):
    r, w = await asyncio.open_connection("127.0.0.1", port)
    w.write(b"hello %d\n" % i)
    line = await r.readline()
    w.close()
    return line


async def main():
    s = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = s.sockets[0].getsockname()[1]
    print(await asyncio.gather(*(ask(i, port) for i in range(10))))
    s.close()
    s = await asyncio.start_unix_server(serve, "sock")
    r, w = await asyncio.open_unix_connection("sock")
    w.write(b"unix\n")
    print(await r.readline())
    w.close()
    s.close()
    os.unlink("sock") if os.path.exists("sock") else None
    p = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    print((await p.communicate(b"x" * 100000))[0] == b"x" * 100000, p.returncode)
    try:
        await asyncio.wait_for(asyncio.sleep(9), 0.05)
    except asyncio.TimeoutError:
        print("timeout")
    q = asyncio.Queue(3)
    async def put():
        for i in range(100):
            await q.put(i)
    t = asyncio.create_task(put())
    print(sum([await q.get() for _ in range(100)]))
    await t
    print(await asyncio.to_thread(lambda: 42))

asyncio.run(main())
