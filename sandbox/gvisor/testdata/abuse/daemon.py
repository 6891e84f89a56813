#: what    leave a process behind that has cut every tie
import os, time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(16):
            try:
                os.close(fd)
            except OSError:
                pass
        while True:
            time.sleep(1)
    os._exit(0)
print("refused: it ends with the session")
