// SPDX-License-Identifier: Apache-2.0
export { natsPublish, type NatsPublish, type NatsPublishOptions, type PublishAck } from './nats/nats-publish.ts'
export { natsQueue, type NatsQueue, type NatsQueueOptions } from './nats/nats-queue.ts'
export { natsRequest, type NatsRequest, type NatsRequestOptions } from './nats/nats-request.ts'
export { natsRoomBus, type NatsRoomBusOptions } from './nats/nats-room-bus.ts'
export { natsSubscribe, type NatsSubscribe, type NatsSubscribeOptions } from './nats/nats-subscribe.ts'
export type { OutboundOptions } from './nats/outbound.ts'
export type { NatsForm } from './nats/reply-form.ts'
export { requestValues, type SubjectRules, type SubjectSource } from './nats/request-subject.ts'
