#: what    exchange a datagram with the host's loopback
#: outside escapes
import os, socket

host, port = os.environ["HOST_UDP"].rsplit(":", 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
try:
    s.sendto(b"x", (host, int(port)))
    print("ESCAPED", s.recv(5))
except OSError as e:
    print("refused", e)
