import os, signal, subprocess, sys, time

print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True))
p = subprocess.Popen(["sleep", "60"])
p.send_signal(signal.SIGTERM)
print(p.wait())
try:
    subprocess.run(["sleep", "60"], timeout=0.2)
except subprocess.TimeoutExpired as e:
    print("timeout", round(e.timeout, 2))
try:
    subprocess.run(["/nonexistent"])
except OSError as e:
    print(e.errno)
p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, pass_fds=())
data = os.urandom(3 << 20)
print(p.communicate(data)[0] == data)
print([subprocess.call(["true"]) for _ in range(20)] == [0] * 20)
print(subprocess.run("ulimit -n; umask; pwd | wc -c", shell=True, cwd="/etc", umask=0o27, stdout=subprocess.PIPE,
                     preexec_fn=lambda: os.setpgid(0, 0)).stdout.decode().split()[1:])
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 9"], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
r, w = os.pipe()
if os.fork() == 0:
    os.close(r)
    os.write(w, b"child")
    os._exit(0)
os.close(w)
print(os.read(r, 100), os.wait()[1])
seen = []
signal.signal(signal.SIGCHLD, lambda s, f: seen.append(s))
subprocess.run(["true"])
print(bool(seen))
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
ticks = 0
def tick(s, f):
    global ticks
    ticks += 1
signal.signal(signal.SIGALRM, tick)
while ticks < 5:
    signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
print("ticks")
signal.signal(signal.SIGVTALRM, lambda s, f: print("virtual") or signal.setitimer(signal.ITIMER_VIRTUAL, 0))
signal.setitimer(signal.ITIMER_VIRTUAL, 0.02)
t = time.process_time()
while time.process_time() - t < 0.2:
    pass
fd = os.pidfd_open(os.getpid())
signal.signal(signal.SIGUSR1, lambda s, f: print("usr1"))
signal.pidfd_send_signal(fd, signal.SIGUSR1)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending(), signal.sigtimedwait({signal.SIGUSR2}, 1).si_signo, signal.sigtimedwait({signal.SIGUSR2}, 0.05))
