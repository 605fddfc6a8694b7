module nats-edge-reference

go 1.24.1

require github.com/ksysoev/wasabi v0.6.1
