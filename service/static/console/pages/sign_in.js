// Signing in. One page for admins and sellers: the service knows who is what.

import { html, useEffect, useRef, useState } from "../app/preact.js";
import { get, LostAnswer, post } from "../app/api.js";
import { useAction } from "../app/commands.js";
import { begin, endedBecause } from "../app/session.js";
import { useStore } from "../app/store.js";
import { Appearance } from "../ui/appearance.js";
import { Button, Field, PasswordField } from "../ui/controls.js";
import { Mark } from "../ui/icon.js";
import { Notice, Trouble } from "../ui/states.js";

const SIGNING_IN = { isSignIn: true };

export function SignIn() {
  const why = useStore(endedBecause);
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const action = useAction();
  const first = useRef();
  useEffect(() => {
    document.title = "Sign in · Charge Shop";
    first.current?.querySelector("input").focus();
  }, []);
  const submit = (event) => {
    event.preventDefault();
    void action.run(async () => {
      const token = await post("/v1/auth/token", { username: username.trim(), password });
      begin(await identified(token));
    });
  };
  return html`<div class="sign-in">
    <div class="sign-in-story" aria-hidden="true">
      <div class="brand"><${Mark} size="40" /><span>Charge Shop</span></div>
      <p class="claim">Every top-up sold<br />exactly once.<br /><em>And provably so.</em></p>
      <${ChainPicture} />
    </div>
    <main class="sign-in-form">
      <div class="sign-in-top"><${Appearance} /></div>
      <form onSubmit=${submit} novalidate>
        <div class="brand only-narrow"><${Mark} size="36" /><span>Charge Shop</span></div>
        <h1>Sign in</h1>
        <p class="lead">For admins and sellers.</p>
        ${why === "expired" && html`<${Notice} icon="clock">Your session has ended. Sign in again; you come back to where you were.</${Notice}>`}
        ${why === "elsewhere" && html`<${Notice} icon="log-out">You signed out in another tab.</${Notice}>`}
        <${Trouble} fault=${action.fault} context=${SIGNING_IN} />
        <div ref=${first}><${Field} label="Username" name="username" value=${username} onInput=${(event) => setUsername(event.target.value)}
          autocomplete="username" autocapitalize="none" spellcheck="false" required /></div>
        <${PasswordField} label="Password" name="password" value=${password} onInput=${(event) => setPassword(event.target.value)} autocomplete="current-password" required />
        <${Button} kind="primary wide" type="submit" isBusy=${action.isBusy}>Sign in</${Button}>
      </form>
      <p class="sign-in-foot">Programs use the <a href="/swagger/">HTTP API</a>.</p>
    </main>
  </div>`;
}

/** The token with who it belongs to; for a seller with its Seller object, for its name and currency. */
async function identified(token) {
  const headers = { Authorization: `Bearer ${token.token}` };
  for (;;) {
    try {
      const me = await get("/v1/auth/me", {}, { headers });
      const seller = token.seller_id ? await get(`/v1/sellers/${token.seller_id}`, {}, { headers }) : null;
      return { ...token, ...me, seller };
    } catch (fault) {
      if (!(fault instanceof LostAnswer)) throw fault;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/** Entries, each linked to the one before: what the house stands for. */
function ChainPicture() {
  const rows = ["hold", "capture", "charge", "credit"];
  return html`<div class="chain-picture">${rows.map((row, index) => html`<div key=${row} class="link-${index}"><i></i><b></b><s></s></div>`)}</div>`;
}
