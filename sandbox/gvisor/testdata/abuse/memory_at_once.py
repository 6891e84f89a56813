#: what    one process asks for far more than the job may have
#: status  ok out-of-memory
#: limit   memory=256MiB
try:
    b = bytearray(8 << 30)
    print("ESCAPED", len(b))
except MemoryError:
    print("refused: MemoryError")
