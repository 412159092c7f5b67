// The page: sends what is typed, lists what everybody has said.
import { connect, webSocket } from "stable-conduit";
import { Line } from "./schema.js";

const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const input = /** @type {HTMLInputElement} */ (document.querySelector("input"));
const status = /** @type {HTMLElement} */ (document.querySelector("[role=status]"));
const list = /** @type {HTMLElement} */ (document.querySelector("ul"));

const conduit = await connect(webSocket("/conduit"), { schema: { send: Line, recv: Line } });
status.textContent = conduit.status.state;
conduit.on("status", ({ state }) => {
  status.textContent = state;
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  conduit.send({ text: input.value }); // also while there is no link
  input.value = "";
});

for await (const { text } of conduit) {
  const item = document.createElement("li");
  item.textContent = text;
  list.append(item);
}
