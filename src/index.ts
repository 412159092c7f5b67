// The public names that run everywhere. "stable-conduit/node" adds TCP and unix sockets.
export { type Blame, ConduitError, type ErrorCode, type LostReason } from "./errors.js";
export type { Limits } from "./limits.js";
export type { MessageTarget } from "./link/handoff.js";
export type { Bytes, Framing, Link, LinkInfo, LinkServer, LinkSink } from "./link/link.js";
export { linkFrom, type Transport, type TransportSink } from "./link/link-from.js";
export { type MessagePortLike, messagePort } from "./link/message-port.js";
export { type PairOptions, pair } from "./link/pair.js";
export { sharedMemory } from "./link/shared-memory.js";
export { Attachment, type Attempt, type ClientHello, type LinkSource } from "./link/source.js";
export {
  type WebSocketConstructor,
  type WebSocketLike,
  type WebSocketOptions,
  webSocket,
} from "./link/websocket.js";
export { MemoryBudget } from "./memory-budget.js";
export { type Acceptor, type AcceptorStats, listen } from "./session/acceptor.js";
export type { Batch } from "./session/batch.js";
export { init, initSync } from "./session/init.js";
export type {
  DecodeMode,
  MessagePlan,
  MessageSchema,
  MessageType,
  Schemas,
} from "./session/messages.js";
export type {
  AuthorizeRequest,
  Close,
  ConnectOptions,
  Events,
  Grant,
  ListenOptions,
  SessionOptions,
  Stats,
  Status,
} from "./session/options.js";
export type { PageWindow } from "./session/page-life.js";
export { type PersistentOptions, persistent, type StateStorage } from "./session/persistent.js";
export type { Wait } from "./session/promises.js";
export type { RetryOptions } from "./session/reconnect.js";
export {
  connect,
  exhaustedSource,
  prepareAcceptorAttachment,
  recvClientHello,
  singleAttachmentSource,
  singleLinkSource,
} from "./session/sources.js";
export type { ConduitRx, ConduitTx, Prepared } from "./session/split.js";
export { StableConduit } from "./session/stable-conduit.js";
