#: what    ask for a name, which could carry a secret out
import socket

try:
    print("ESCAPED", socket.getaddrinfo("secret.invalid", 80))
except OSError as e:
    assert "Temporary failure" in str(e) or "not known" in str(e), e
for family in (socket.AF_INET, socket.AF_INET6):
    s = socket.socket(family, socket.SOCK_DGRAM)
    try:
        s.connect(("192.0.2.1" if family == socket.AF_INET else "2001:db8::1", 53))
        s.send(b"secret")
        print("ESCAPED")
    except OSError as e:
        print("refused", e)
