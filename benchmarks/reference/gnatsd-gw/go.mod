module gnatsd-gw-bench

go 1.21

require (
	github.com/antmanler/gnatsd-gw v0.0.0-20180503042813-5d83d9c4d01d
	github.com/gorilla/websocket v1.5.3
)
