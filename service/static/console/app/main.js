// The start: the sign-in page or the console of whoever is signed in.

import { html, render } from "./preact.js";
import { follow } from "./live.js";
import { isFresh, session } from "./session.js";
import { useStore } from "./store.js";
import { askOthers } from "./tabs.js";
import { Shell } from "./shell.js";
import { SignIn } from "../pages/sign_in.js";
import { Banner } from "../ui/banner.js";
import { Toasts } from "../ui/toast.js";

function Console() {
  const who = useStore(session);
  return html`<${Banner} />${who ? html`<${Shell} key=${who.token} who=${who} />` : html`<${SignIn} />`}<${Toasts} />`;
}

if (isFresh) await askOthers();
follow();
render(html`<${Console} />`, document.getElementById("console"));
