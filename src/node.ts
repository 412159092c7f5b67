// Everything of the package, and the links that only Node has.
export * from "./index.js";
export { type TcpOptions, type TcpServerOptions, tcp } from "./link/tcp.js";
export { type UnixServerOptions, unix } from "./link/unix.js";
export { type DuplexOptions, duplex } from "./session/duplex.js";
