#: what    start processes without end
#: limit   processes=32
import os, time

n = 0
try:
    while n < 1000:
        if os.fork() == 0:
            time.sleep(3600)
        n += 1
    print("ESCAPED", n)
except OSError as e:
    print("refused after", n, e)
    if n >= 32:
        print("ESCAPED", n)
