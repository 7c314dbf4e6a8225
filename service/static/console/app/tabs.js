// Tabs of one browser. One that nobody has signed in at asks the others when it is opened, and goes on with their session
// where all of them have the same user: a link that is opened in a new tab does not ask who one is. Where two users are
// signed in, nobody knows whose tab it will be: then whoever opens it signs in. One that somebody left or signed out of
// never asks, so that it becomes nobody else's by a reload. Who signs out does so in every tab of that session.
//
// Tabs speak through a channel of this origin, which keeps nothing: a token is in the memory of tabs and nowhere else.

import { go } from "./router.js";
import { begin, end, session } from "./session.js";

const ANSWERS_MS = 200;

const channel = new BroadcastChannel("charge-shop.tabs");

channel.addEventListener("message", ({ data }) => {
  const ours = session.value;
  if (data.kind === "who" && ours) channel.postMessage({ kind: "session", to: data.from, session: ours });
  if (data.kind === "over" && data.token === ours?.token) {
    end("elsewhere");
    go("/"); // whoever signs in next begins at the first page
  }
});

/** Takes over the session of the other tabs, if there is one; at most a moment later. */
export async function askOthers() {
  const from = crypto.getRandomValues(new Uint32Array(2)).join("-");
  const found = [];
  const hear = ({ data }) => data.kind === "session" && data.to === from && found.push(data.session);
  channel.addEventListener("message", hear);
  channel.postMessage({ kind: "who", from });
  await new Promise((resolve) => setTimeout(resolve, ANSWERS_MS));
  channel.removeEventListener("message", hear);
  const isOne = new Set(found.map(({ id }) => id)).size === 1;
  // The one that lasts longest.
  if (isOne) begin(found.reduce((one, other) => (Date.parse(other.expires_at) > Date.parse(one.expires_at) ? other : one)));
}

/** To the other tabs: this session is over. */
export const tellOver = (token) => channel.postMessage({ kind: "over", token });
