// WebSocket links for the accepting side, over the package `ws`.
export {
  type WebSocketAttachOptions,
  type WebSocketListenOptions,
  type WsSocket,
  webSocketLink,
  webSocketServer,
} from "./link/ws-server.js";
