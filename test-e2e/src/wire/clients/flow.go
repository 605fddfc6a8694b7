// SPDX-License-Identifier: Apache-2.0

// What an application does with nats.go. Prints what it has seen, one line each, the same in every run.
//
// usage: flow URL FLOWS [LOGIN]    LOGIN: creds:FILE nkey:FILE user:NAME:PASSWORD token:TOKEN
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
)

const patience = 10 * time.Second

var flows = map[string]func(*nats.Conn){
	"core":      core,
	"request":   request,
	"jetstream": streams,
	"kv":        keyValue,
	"objects":   objects,
	"services":  services,
	"login":     login,
	"drain":     drain,
}

var (
	asyncMutex  sync.Mutex
	asyncErrors []string
)

func main() {
	address, names := os.Args[1], os.Args[2]
	options := []nats.Option{
		nats.NoReconnect(),
		nats.Timeout(5 * time.Second),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			asyncMutex.Lock()
			defer asyncMutex.Unlock()
			asyncErrors = append(asyncErrors, err.Error())
		}),
	}
	if len(os.Args) > 3 {
		options = append(options, loginOption(os.Args[3]))
	}
	// The library takes the path of a WebSocket apart from its address.
	if parsed, err := url.Parse(address); err == nil && parsed.Path != "" {
		options = append(options, nats.ProxyPath(strings.TrimPrefix(parsed.Path, "/")))
		address = parsed.Scheme + "://" + parsed.Host
	}
	nc, err := nats.Connect(address, options...)
	if err != nil {
		note("refused", err.Error())
		return
	}
	for _, name := range strings.Split(names, ",") {
		note("flow " + name)
		flows[name](nc)
	}
	nc.Close()
}

func loginOption(text string) nats.Option {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "creds":
		return nats.UserCredentials(rest)
	case "nkey":
		return must(nats.NkeyOptionFromSeed(rest))
	case "user":
		user, password, _ := strings.Cut(rest, ":")
		return nats.UserInfo(user, password)
	case "token":
		return nats.Token(rest)
	}
	panic("no such login: " + kind)
}

func core(nc *nats.Conn) {
	got := make(chan *nats.Msg, 100)
	subscription := must(nc.ChanSubscribe("sizes.*", got))
	check(nc.Flush())
	sizes := []int{0, 1, 17, 4096, 65535, 65536, 65537, 200000, 1048576}
	for _, size := range sizes {
		message := nats.NewMsg(fmt.Sprintf("sizes.%d", size))
		message.Data = bytesOf(size)
		if size%2 == 1 {
			message.Reply = fmt.Sprintf("answer.%d", size)
		}
		check(nc.PublishMsg(message))
	}
	for range sizes {
		message := next(got)
		note(message.Subject, message.Reply, digest(message.Data))
	}
	check(subscription.Unsubscribe())

	var counts [2]atomic.Int64
	for member := 0; member < 4; member++ {
		group := member % 2
		must(nc.QueueSubscribe("work.*", strconv.Itoa(group), func(*nats.Msg) { counts[group].Add(1) }))
	}
	check(nc.Flush())
	for i := 0; i < 200; i++ {
		check(nc.Publish(fmt.Sprintf("work.%d", i), nil))
	}
	until(func() bool { return counts[0].Load()+counts[1].Load() == 400 })
	note("queue groups", counts[0].Load(), counts[1].Load())

	limited := must(nc.SubscribeSync("limited"))
	check(limited.AutoUnsubscribe(2))
	for i := 0; i < 3; i++ {
		check(nc.Publish("limited", []byte(strconv.Itoa(i))))
	}
	check(nc.Flush())
	first, second := must(limited.NextMsg(patience)), must(limited.NextMsg(patience))
	_, err := limited.NextMsg(100 * time.Millisecond)
	note("limited", string(first.Data), string(second.Data), err.Error())
}

func request(nc *nats.Conn) {
	must(nc.Subscribe("upper.*", func(message *nats.Msg) {
		answer := nats.NewMsg(message.Reply)
		answer.Data = []byte(strings.ToUpper(string(message.Data)))
		answer.Header["Echo"] = message.Header.Values("Trace")
		check(nc.PublishMsg(answer))
	}))
	check(nc.Flush())
	asked := nats.NewMsg("upper.a")
	asked.Data = []byte("hello")
	asked.Header.Add("Trace", "one")
	asked.Header.Add("Trace", "two")
	answer := must(nc.RequestMsg(asked, patience))
	note("answer", string(answer.Data), answer.Header)
	for i := 0; i < 100; i++ {
		answer := must(nc.Request("upper.b", []byte(fmt.Sprintf("hello %d", i)), patience))
		note("answer", string(answer.Data))
	}
	_, err := nc.Request("nobody.here", nil, patience)
	note("nobody", err.Error())
	silent := must(nc.SubscribeSync("silent"))
	_, err = nc.Request("silent", nil, 100*time.Millisecond)
	note("silent", err.Error())
	check(silent.Unsubscribe())
	note("too large", nc.Publish("large", make([]byte, nc.MaxPayload()+1)).Error())
	note("server", nc.ConnectedServerVersion(), nc.HeadersSupported(), nc.MaxPayload())
}

func streams(nc *nats.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	js := must(jetstream.New(nc))
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "GOFLOW", Subjects: []string{"goflow.>"}}))
	for i := 0; i < 20; i++ {
		ack := must(js.Publish(ctx, fmt.Sprintf("goflow.%d", i%3), bytesOf(i*1000)))
		note("published", ack.Stream, ack.Sequence, ack.Duplicate)
	}
	for i := 0; i < 2; i++ {
		ack := must(js.Publish(ctx, "goflow.once", []byte("x"), jetstream.WithMsgID("one")))
		note("once", ack.Sequence, ack.Duplicate)
	}
	_, err := js.Publish(ctx, "goflow.turn", nil, jetstream.WithExpectLastSequence(77))
	note("not in turn", err.Error())
	for i := 0; i < 100; i++ {
		must(js.PublishAsync("goflow.async", bytesOf(i*100)))
	}
	<-js.PublishAsyncComplete()

	consumer := must(stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "worker", AckPolicy: jetstream.AckExplicitPolicy}))
	batch := must(consumer.Fetch(20, jetstream.FetchMaxWait(patience)))
	for message := range batch.Messages() {
		metadata := must(message.Metadata())
		note("fetched", message.Subject(), metadata.Sequence.Stream, digest(message.Data()))
		check(message.DoubleAck(ctx))
	}
	check(must(consumer.Next()).Nak())
	consumed := make(chan uint64, 200)
	consuming := must(consumer.Consume(func(message jetstream.Msg) {
		check(message.Ack())
		consumed <- must(message.Metadata()).Sequence.Stream
	}))
	sum := uint64(0)
	for i := 0; i < 101; i++ {
		sum += next(consumed)
	}
	consuming.Stop()
	note("consumed", sum)

	ordered := must(stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"goflow.async"}}))
	messages := must(ordered.Messages())
	var sequences []uint64
	for len(sequences) < 100 {
		sequences = append(sequences, must(must(messages.Next()).Metadata()).Sequence.Stream)
	}
	messages.Stop()
	note("ordered", sequences)
	got := must(stream.GetMsg(ctx, 3))
	note("got", got.Subject, digest(got.Data))
	check(js.DeleteStream(ctx, "GOFLOW"))
	_, err = js.Stream(ctx, "GOFLOW")
	note("no such stream", err.Error())
}

func keyValue(nc *nats.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	js := must(jetstream.New(nc))
	bucket := must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "goflow", History: 5}))
	note("put", must(bucket.Put(ctx, "a", []byte("one"))))
	note("create", must(bucket.Create(ctx, "b", []byte("two"))))
	_, err := bucket.Create(ctx, "b", []byte("three"))
	note("create again", errors.Is(err, jetstream.ErrKeyExists))
	note("update", must(bucket.Update(ctx, "b", []byte("four"), 2)))
	_, err = bucket.Update(ctx, "b", []byte("five"), 2)
	note("update of the past", err.Error())
	entry := must(bucket.Get(ctx, "b"))
	note("get", entry.Key(), entry.Revision(), string(entry.Value()))
	watch := must(bucket.WatchAll(ctx))
	for change := range watch.Updates() {
		if change == nil {
			break
		}
		note("watched", change.Key(), change.Revision())
	}
	must(bucket.Put(ctx, "c", []byte("new")))
	change := next(watch.Updates())
	note("watched", change.Key(), change.Revision())
	check(watch.Stop())
	check(bucket.Delete(ctx, "a"))
	_, err = bucket.Get(ctx, "a")
	note("deleted", err.Error())
	for _, change := range must(bucket.History(ctx, "b")) {
		note("history", change.Operation().String(), string(change.Value()))
	}
	keys := must(bucket.Keys(ctx))
	sort.Strings(keys)
	note("keys", keys)
	check(js.DeleteKeyValue(ctx, "goflow"))
}

func objects(nc *nats.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	js := must(jetstream.New(nc))
	store := must(js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "goobjects"}))
	info := must(store.PutBytes(ctx, "large", bytesOf(1500000)))
	note("put", info.Size, info.Chunks, info.Digest)
	note("got", digest(must(store.GetBytes(ctx, "large"))))
	for _, info := range must(store.List(ctx)) {
		note("listed", info.Name)
	}
	check(store.Delete(ctx, "large"))
	_, err := store.GetBytes(ctx, "large")
	note("gone", err.Error())
	check(js.DeleteObjectStore(ctx, "goobjects"))
}

func services(nc *nats.Conn) {
	service := must(micro.AddService(nc, micro.Config{Name: "Upper", Version: "1.2.3"}))
	check(service.AddEndpoint("text", micro.HandlerFunc(func(asked micro.Request) {
		if string(asked.Data()) == "fail" {
			check(asked.Error("400", "no", nil))
			return
		}
		check(asked.Respond([]byte(strings.ToUpper(string(asked.Data())))))
	}), micro.WithEndpointSubject("service.upper")))
	check(nc.Flush())
	note("answer", string(must(nc.Request("service.upper", []byte("hello"), patience)).Data))
	note("error", must(nc.Request("service.upper", []byte("fail"), patience)).Header)
	var info micro.Info
	check(json.Unmarshal(must(nc.Request("$SRV.INFO.Upper", nil, patience)).Data, &info))
	note("info", info.Name, info.Version, len(info.Endpoints))
	var stats micro.Stats
	check(json.Unmarshal(must(nc.Request("$SRV.STATS.Upper", nil, patience)).Data, &stats))
	note("requests", stats.Endpoints[0].NumRequests, stats.Endpoints[0].NumErrors)
	check(service.Stop())
}

func login(nc *nats.Conn) {
	check(nc.Publish("allowed", nil))
	check(nc.Publish("denied.subject", nil))
	check(nc.Flush())
	until(func() bool {
		asyncMutex.Lock()
		defer asyncMutex.Unlock()
		return len(asyncErrors) > 0
	})
	note("told", asyncErrors)
}

func drain(nc *nats.Conn) {
	var got atomic.Int64
	closed := make(chan bool, 1)
	nc.SetClosedHandler(func(*nats.Conn) { closed <- true })
	must(nc.Subscribe("drain", func(*nats.Msg) { got.Add(1) }))
	check(nc.Flush())
	for i := 0; i < 500; i++ {
		check(nc.Publish("drain", bytesOf(i)))
	}
	check(nc.Drain())
	next(closed)
	note("drained", got.Load(), nc.IsClosed())
}

func note(what string, values ...any) {
	if values == nil {
		values = []any{}
	}
	fmt.Println(what + ": " + string(must(json.Marshal(values))))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return fmt.Sprintf("%d bytes %x", len(data), sum[:8])
}

func bytesOf(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*31 + (i>>8)*7 + size)
	}
	return data
}

func next[T any](from <-chan T) T {
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		panic("what was waited for did not come")
	}
}

func until(holds func() bool) {
	for end := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			panic("what was waited for did not come")
		}
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
