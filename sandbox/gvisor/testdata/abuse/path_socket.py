#: what    connect to a Unix socket of the host that lies in a bound directory
#: outside escapes
import os, socket

for path in (os.environ["SOCKET"], os.environ["HOST_SOCKET"]):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        print("ESCAPED", s.recv(5))
    except OSError as e:
        print("refused", e)
