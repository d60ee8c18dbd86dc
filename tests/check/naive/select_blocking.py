"""select() to know who is ready to read, and sendall(), which blocks."""
import select
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
clients = []
while True:
    for ready in select.select([listener, *clients], [], [])[0]:
        if ready is listener:
            clients.append(listener.accept()[0])
        elif data := ready.recv(65536):
            ready.sendall(data)
        else:
            clients.remove(ready)
            ready.close()
