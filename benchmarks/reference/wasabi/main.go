// SPDX-License-Identifier: Apache-2.0

// The Go reference of the WebSocket rows: a wasabi server with three request middlewares and a router in front of an
// echo, an HTTP service or a broadcast. It prints the port it listens on, and ends with its standard input.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ksysoev/wasabi"
	"github.com/ksysoev/wasabi/backend"
	"github.com/ksysoev/wasabi/channel"
	"github.com/ksysoev/wasabi/dispatch"
	"github.com/ksysoev/wasabi/middleware/request"
	"github.com/ksysoev/wasabi/server"
)

type work struct {
	Kind    string `json:"kind"`
	Burst   int    `json:"burst"`
	Message string `json:"message"`
	Origin  string `json:"origin"`
}

// The connections a broadcast goes to; wasabi itself has no list of them.
var members sync.Map

var answered, failed atomic.Int64

func main() {
	var w work
	if len(os.Args) < 2 {
		fail(fmt.Errorf("no work given"))
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &w); err != nil {
		fail(err)
	}
	parse := func(_ wasabi.Connection, ctx context.Context, kind wasabi.MessageType, data []byte) wasabi.Request {
		return dispatch.NewRawRequest(ctx, kind, data)
	}
	handler := handlerFor(w)
	router := dispatch.NewRouterDispatcher(handler, parse)
	if err := router.AddBackend(handler, []string{"text"}); err != nil {
		fail(err)
	}
	router.Use(request.NewErrorHandlingMiddleware(func(_ wasabi.Connection, _ wasabi.Request, err error) error {
		failed.Add(1)
		return err
	}))
	router.Use(request.NewMeasurer(func(_ wasabi.Request, err error, _ time.Duration) {
		if err == nil {
			answered.Add(1)
		}
	}))
	router.Use(request.NewSetTimeoutMiddleware(10 * time.Second))

	registry := channel.NewConnectionRegistry(
		channel.WithOnConnectHook(func(c wasabi.Connection) { members.Store(c.ID(), c) }),
		channel.WithOnDisconnectHook(func(c wasabi.Connection) { members.Delete(c.ID()) }),
	)
	ready := make(chan struct{})
	serv := server.NewServer("127.0.0.1:0", server.WithReadinessChan(ready))
	serv.AddChannel(channel.NewChannel("/bench", router, registry))
	go func() {
		<-ready
		fmt.Printf("{\"port\":%d}\n", serv.Addr().(*net.TCPAddr).Port)
	}()
	// Ends with whoever started it, however that one ends.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fail(serv.Run())
}

func handlerFor(w work) wasabi.RequestHandler {
	switch w.Kind {
	case "echo":
		return dispatch.RequestHandlerFunc(func(conn wasabi.Connection, req wasabi.Request) error {
			return conn.Send(wasabi.MsgTypeText, req.Data())
		})
	case "broadcast":
		message := []byte(w.Message)
		return dispatch.RequestHandlerFunc(func(wasabi.Connection, wasabi.Request) error {
			for i := 0; i < w.Burst; i++ {
				members.Range(func(_, value any) bool {
					_ = value.(wasabi.Connection).Send(wasabi.MsgTypeText, message)
					return true
				})
			}
			return nil
		})
	case "http":
		return backend.NewBackend(func(req wasabi.Request) (*http.Request, error) {
			return http.NewRequest(http.MethodPost, w.Origin+"/echo", bytes.NewReader(req.Data()))
		})
	}
	fail(fmt.Errorf("cannot do %q", w.Kind))
	return nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
