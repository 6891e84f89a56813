#: what    fill /out
#: limit   out=8MiB
n = 0
try:
    with open("/out/file", "wb", buffering=0) as f:
        while n < 64 << 20:
            n += f.write(b"x" * (1 << 20))
    print("ESCAPED", n)
except OSError as e:
    print("refused after", n, e)
    if n > 8 << 20:
        print("ESCAPED", n)
