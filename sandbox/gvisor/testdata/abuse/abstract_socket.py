#: what    connect to an abstract Unix socket of the host
#: outside escapes
import os, socket

s = socket.socket(socket.AF_UNIX)
try:
    s.connect(b"\0" + os.environ["HOST_ABSTRACT"][1:].encode())
    print("ESCAPED", s.recv(5))
except OSError as e:
    print("refused", e)
