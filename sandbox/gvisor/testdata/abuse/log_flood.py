#: what    write a gigabyte to the log: it is neither kept nor a way to stop
#: says    xxxx
import os

b = b"x" * (1 << 20)
n = 0
while n < 1 << 30:
    n += os.write(1 + n % 2, b)
    n += os.write(2, b)
