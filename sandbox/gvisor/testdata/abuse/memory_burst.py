#: what    several processes reach a whole GiB faster than any meter looks
#: status  ok out-of-memory
#: limit   memory=1024MiB
import os, time

children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        kept = b"x" * (400 << 20)
        time.sleep(2)
        os._exit(0)
    children.append(pid)
ends = [os.waitpid(p, 0)[1] for p in children]
print("refused" if any(os.WIFSIGNALED(e) for e in ends) else "ESCAPED", ends)
