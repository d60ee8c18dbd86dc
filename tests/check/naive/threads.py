"""A thread for each client, and the library's own accept loop."""
import socketserver
import sys


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 4096

    def handle_error(self, request, client_address):
        pass  # a client that has gone is no news


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
