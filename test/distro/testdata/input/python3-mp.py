import concurrent.futures, multiprocessing, os, queue, threading
from multiprocessing import shared_memory


def square(x):
    return x * x


def add(v, n):
    for _ in range(n):
        with v.get_lock():
            v.value += 1


if __name__ == "__main__":
    for method in "fork", "spawn", "forkserver":
        c = multiprocessing.get_context(method)
        with c.Pool(3) as p:
            print(method, sum(p.map(square, range(200))))
    v = multiprocessing.Value("i", 0)
    ps = [multiprocessing.Process(target=add, args=(v, 300)) for _ in range(4)]
    [p.start() for p in ps]
    [p.join() for p in ps]
    print(v.value)
    m = shared_memory.SharedMemory(create=True, size=100000)
    m.buf[99999] = 7
    n = shared_memory.SharedMemory(name=m.name)
    print(n.buf[99999])
    n.close()
    m.close()
    m.unlink()
    q = queue.Queue()
    ts = [threading.Thread(target=lambda: [q.put(i) for i in range(500)]) for _ in range(8)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    print(q.qsize())
    with concurrent.futures.ThreadPoolExecutor(8) as e:
        print(sum(e.map(square, range(1000))))
    with concurrent.futures.ProcessPoolExecutor(2) as e:
        print(sum(e.map(square, range(100))))
    b = threading.Barrier(5)
    ts = [threading.Thread(target=b.wait) for _ in range(4)]
    [t.start() for t in ts]
    b.wait()
    [t.join() for t in ts]
    e = threading.Event()
    print(e.wait(0.05))
