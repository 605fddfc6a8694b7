// SPDX-License-Identifier: Apache-2.0

// Serves gnatsd-gw, the gateway the wire rows are compared with, on TCP and WebSocket in front of the server named by the
// first argument. It says its ports in one line of JSON and ends with its standard input.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/antmanler/gnatsd-gw/gnatsdgw"
	fwd "github.com/antmanler/gnatsd-gw/gnatsdgw/server"
	"github.com/antmanler/gnatsd-gw/gnatsdgw/ws"
)

func main() {
	dial := func() (net.Conn, error) { return net.Dial("tcp", os.Args[1]) }
	serve, err := gnatsdgw.NewServer(&fwd.Options{}, dial, gnatsdgw.MiM{})
	must(err)
	handler, err := ws.NewHandler(&fwd.Options{}, dial, nil, nil)
	must(err)
	http.Handle("/nats", handler)
	plain, web := listen(), listen()
	go accept(plain, serve)
	go http.Serve(web, nil)
	fmt.Printf("{\"tcp\":%d,\"ws\":%d}\n", port(plain), port(web))
	io.Copy(io.Discard, os.Stdin)
}

func accept(listener net.Listener, serve func(net.Conn) error) {
	for {
		conn, err := listener.Accept()
		must(err)
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	return listener
}

func port(listener net.Listener) int { return listener.Addr().(*net.TCPAddr).Port }

func must(err error) {
	if err != nil {
		log.Fatalln(err)
	}
}
