// A WebSocket that survives its links: the WHATWG interface over a conduit, for both sides.
export { ConduitSocket, type ConduitSocketOptions, webSocketOver } from "./facade/conduit-socket.js";
export { StableWebSocket, type StableWebSocketOptions } from "./facade/stable-websocket.js";
