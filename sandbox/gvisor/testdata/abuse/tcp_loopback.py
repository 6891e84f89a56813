#: what    connect to a TCP listener on the host's loopback
#: outside escapes
import os, socket

host, port = os.environ["HOST_TCP"].rsplit(":", 1)
try:
    print("ESCAPED", socket.create_connection((host, int(port)), 2).recv(5))
except OSError as e:
    print("refused", e)
