// The echo server that Go's net package is made for: a goroutine a connection, reading and writing
// as if both blocked. With --deadline every message moves the connection's read deadline.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"
)

var (
	listen   = flag.String("listen", "127.0.0.1:0", "where clients connect")
	threads  = flag.Int("threads", 1, "GOMAXPROCS")
	size     = flag.Int("buffer", 4096, "bytes of a read")
	deadline = flag.Duration("deadline", 0, "close who sends nothing for this long; 0: nobody")
)

func echo(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, *size)
	for {
		if *deadline > 0 {
			conn.SetReadDeadline(time.Now().Add(*deadline))
		}
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(*threads)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening on", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go echo(conn)
	}
}
