# SPDX-License-Identifier: Apache-2.0
"""What an application does with nats-py. Prints what it has seen, one line each, the same in every run.

usage: flow.py URL FLOWS [LOGIN]    LOGIN: creds:FILE nkey:FILE user:NAME:PASSWORD token:TOKEN
"""

import asyncio
import hashlib
import json
import sys

import nats
import nats.errors
import nats.js.api
import nats.js.errors
import nats.micro


def note(what, *values):
    print(what + ": " + json.dumps(values), flush=True)


def digest(data):
    return f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:16]}"


def bytes_of(size):
    return bytes((i * 31 + (i >> 8) * 7 + size) & 255 for i in range(size))


async def failure_of(work):
    try:
        return {"resolved": repr(await work)}
    except Exception as error:  # What it fails with is what is compared.
        return {"name": type(error).__name__, "text": str(error)}


async def until(holds):
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError("what was waited for did not come")


async def core(nc):
    got = []

    async def take(message):
        got.append(message)

    subscription = await nc.subscribe("sizes.*", cb=take)
    await nc.flush()
    sizes = [0, 1, 17, 4096, 65535, 65536, 65537, 200000, 1048576]
    for size in sizes:
        await nc.publish(f"sizes.{size}", bytes_of(size), reply="" if size % 2 == 0 else f"answer.{size}")
    await until(lambda: len(got) == len(sizes))
    for message in got:
        note(message.subject, message.reply, digest(message.data))
    await subscription.unsubscribe()

    counts = {"a": 0, "b": 0}
    for queue in ("a", "a", "b", "b"):

        async def work(_message, queue=queue):
            counts[queue] += 1

        await nc.subscribe("work.*", queue=queue, cb=work)
    await nc.flush()
    for i in range(200):
        await nc.publish(f"work.{i}", b"")
    await until(lambda: sum(counts.values()) == 400)
    note("queue groups", counts)

    limited = await nc.subscribe("limited", max_msgs=2)
    await limited.unsubscribe(limit=2)
    for i in range(3):
        await nc.publish("limited", str(i).encode())
    note("limited", [(await limited.next_msg(timeout=5)).data.decode() for _ in range(2)])


async def request(nc):
    async def answer(message):
        trace = (message.headers or {}).get("Trace", "none")
        await nc.publish(message.reply, message.data.upper(), headers={"Echo": trace})

    await nc.subscribe("upper.*", cb=answer)
    await nc.flush()
    reply = await nc.request("upper.a", b"hello", timeout=5, headers={"Trace": "one"})
    note("answer", reply.data.decode(), reply.headers)
    own = await nc.request("upper.b", b"own inbox", timeout=5, old_style=True)
    note("own inbox", own.data.decode(), own.headers)
    many = await asyncio.gather(*(nc.request("upper.c", str(i).encode(), timeout=5) for i in range(100)))
    note("many", [message.data.decode() for message in many])
    note("nobody", await failure_of(nc.request("nobody.here", b"", timeout=5)))
    await nc.subscribe("silent")
    note("silent", await failure_of(nc.request("silent", b"", timeout=0.1)))
    note("too large", await failure_of(nc.publish("large", bytes(nc.max_payload + 1))))


async def jetstream(nc):
    js = nc.jetstream()
    await js.add_stream(name="FLOW", subjects=["flow.>"])
    for i in range(20):
        ack = await js.publish(f"flow.{i % 3}", bytes_of(i * 1000))
        note("published", ack.stream, ack.seq, ack.duplicate)
    for _ in range(2):
        ack = await js.publish("flow.once", b"x", headers={"Nats-Msg-Id": "one"})
        note("once", ack.seq, ack.duplicate)
    note("no stream", await failure_of(js.publish("elsewhere", b"", timeout=2)))
    pull = await js.pull_subscribe("flow.>", durable="worker")
    fetched = await pull.fetch(15, timeout=5)
    for message in fetched:
        note("fetched", message.subject, message.metadata.sequence.stream, digest(message.data))
        await message.ack_sync()
    first, *rest = await pull.fetch(6, timeout=5)
    await first.nak()
    for message in rest:
        await message.ack()
    again = (await pull.fetch(1, timeout=5))[0]
    note("again", again.metadata.sequence.stream, again.metadata.num_delivered)
    await again.ack_sync()
    await nc.flush()
    note("state", (await pull.consumer_info()).num_ack_pending)
    ordered = await js.subscribe("flow.>", ordered_consumer=True)
    note("ordered", [(await ordered.next_msg(timeout=5)).metadata.sequence.stream for _ in range(21)])
    await ordered.unsubscribe()
    message = await js.get_msg("FLOW", 3)
    note("got", message.subject, digest(message.data or b""))
    await js.delete_stream("FLOW")
    note("no such stream", await failure_of(js.stream_info("FLOW")))


async def kv(nc):
    js = nc.jetstream()
    bucket = await js.create_key_value(bucket="pyflow", history=5)
    note("put", await bucket.put("a", b"one"))
    note("create", await bucket.create("b", b"two"))
    note("create again", (await failure_of(bucket.create("b", b"three")))["name"])
    note("update", await bucket.update("b", b"four", last=2))
    note("update of the past", (await failure_of(bucket.update("b", b"five", last=2)))["name"])
    entry = await bucket.get("b")
    note("get", entry.key, entry.revision, entry.value.decode())
    watch = await bucket.watchall()
    seen = []
    async for change in watch:
        if change is None:
            break
        seen.append([change.key, change.revision])
    await bucket.put("c", b"new")
    change = await watch.updates(timeout=5)
    seen.append([change.key, change.revision])
    await watch.stop()
    note("watched", seen)
    await bucket.delete("a")
    note("deleted", (await failure_of(bucket.get("a")))["name"])
    note("keys", sorted(await bucket.keys()))
    await js.delete_key_value("pyflow")


async def objects(nc):
    js = nc.jetstream()
    store = await js.create_object_store(bucket="pyobjects")
    data = bytes_of(1500000)
    info = await store.put("large", data)
    note("put", info.size, info.chunks, info.digest)
    got = await store.get("large")
    note("got", digest(got.data), got.data == data)
    note("names", [item.name for item in await store.list()])
    await store.delete("large")
    note("gone", (await failure_of(store.get("large")))["name"])
    await js.delete_object_store("pyobjects")


async def services(nc):
    service = await nats.micro.add_service(nc, name="Upper", version="1.2.3", description="upper case")

    async def upper(asked):
        if asked.data == b"fail":
            await asked.respond_error("400", "no")
        else:
            await asked.respond(asked.data.upper())

    await service.add_endpoint(name="text", subject="service.upper", handler=upper)
    await nc.flush()
    note("answer", (await nc.request("service.upper", b"hello", timeout=5)).data.decode())
    note("error", (await nc.request("service.upper", b"fail", timeout=5)).headers)
    ping = json.loads((await nc.request("$SRV.PING.Upper", b"", timeout=5)).data)
    note("ping", ping["name"], ping["version"], ping["type"])
    stats = json.loads((await nc.request("$SRV.STATS.Upper", b"", timeout=5)).data)
    note("requests", [endpoint["num_requests"] for endpoint in stats["endpoints"]])
    await service.stop()


async def login(nc):
    await nc.publish("allowed", b"")
    await nc.publish("denied.subject", b"")
    await nc.flush()
    await until(lambda: len(nc_errors) > 0)
    note("told", [str(error) for error in nc_errors])


async def drain(nc):
    got = []

    async def take(message):
        got.append(message.data)

    await nc.subscribe("drain", cb=take)
    await nc.flush()
    for i in range(500):
        await nc.publish("drain", bytes_of(i))
    await nc.drain()
    note("drained", len(got), nc.is_closed)


nc_errors = []
flows = {
    "core": core,
    "request": request,
    "jetstream": jetstream,
    "kv": kv,
    "objects": objects,
    "services": services,
    "login": login,
    "drain": drain,
}


def login_options(login_text):
    kind, _, rest = login_text.partition(":")
    if kind == "creds":
        return {"user_credentials": rest}
    if kind == "nkey":
        return {"nkeys_seed": rest}
    if kind == "user":
        user, _, password = rest.partition(":")
        return {"user": user, "password": password}
    return {"token": rest} if kind == "token" else {}


async def main(url, names, login_text):
    async def on_error(error):
        nc_errors.append(error)

    try:
        nc = await nats.connect(
            url, allow_reconnect=False, connect_timeout=5, drain_timeout=2, error_cb=on_error, **login_options(login_text)
        )
    except Exception as error:
        note("refused", type(error).__name__, str(error))
        return
    for name in names.split(","):
        note("flow " + name)
        await flows[name](nc)
    if not nc.is_closed:
        await nc.close()


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""))
