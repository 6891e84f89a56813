#: what    find a network interface other than the guest's own loopback
#: outside escapes
import socket

others = [name for _, name in socket.if_nameindex() if name != "lo"]
print("ESCAPED" if others else "refused", others)
