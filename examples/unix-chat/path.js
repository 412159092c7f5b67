// @ts-check
// Where the chat is, unless you say otherwise.
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

export const defaultPath = join(tmpdir(), `stable-conduit-chat-${userInfo().username}.sock`);
