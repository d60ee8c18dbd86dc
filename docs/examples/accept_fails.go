// An echo server that treats a failed Accept in one of four ways: accept_fails panic|return|continue|http.
// It belongs to the page "When accept fails". Listens on port 8080.
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	l, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	if os.Args[1] == "http" {
		log.Fatal(http.Serve(l, nil)) // waits 5 ms, then twice as long each time, at most 1 s
	}
	for {
		c, err := l.Accept()
		if err != nil {
			switch os.Args[1] {
			case "panic": // as in 从源码角度看Golang的TCP Socket(epoll)实现
				panic(err)
			case "return": // as in Tcp服务端源码
				return
			}
			log.Print(err) // as in 一个简单的go tcp回显服务器示例
			continue
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}
