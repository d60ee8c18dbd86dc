"""Tells everybody the time, and listens to nobody: no echo server."""
import socketserver
import sys
import time


class Date(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(time.ctime().encode())


socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Date).serve_forever()
