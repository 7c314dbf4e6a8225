// The frame around every page of somebody signed in: navigation, the balance or what waits, who it is, how live it is.

import { html, useEffect, useRef, useState } from "./preact.js";
import { remove } from "./api.js";
import { connection } from "./connection.js";
import { liveStatus } from "./live.js";
import { pageAt, PAGES } from "./pages.js";
import { go, href, place } from "./router.js";
import { money } from "./format.js";
import { end, session } from "./session.js";
import { useStore } from "./store.js";
import { tellOver } from "./tabs.js";
import { usePendingCount } from "./pending.js";
import { BalanceProvider, useBalance } from "./balance.js";
import { Amount, breakable } from "../ui/amount.js";
import { Appearance } from "../ui/appearance.js";
import { IconButton } from "../ui/controls.js";
import { Empty, Notice } from "../ui/states.js";
import { Icon, Mark } from "../ui/icon.js";
import { Page } from "../ui/page.js";

const SIGN_OUT_TIMEOUT_MS = 3000;

/** In every tab of this session. */
export async function signOut() {
  tellOver(session.value.token); // before it is over: the other tabs would call it one that has ended by itself
  try {
    await remove("/v1/auth/token", { timeout_ms: SIGN_OUT_TIMEOUT_MS });
  } catch {
    // The token ends by itself after twelve hours; here it is forgotten in any case.
  }
  end();
  go("/"); // whoever signs in next begins at the first page
}

/** So that somebody else can sign in at this tab; the session goes on in others. */
export function leave() {
  end();
  go("/");
}

export function Shell({ who }) {
  const frame = html`<${Frame} who=${who} />`;
  return who.role === "seller" ? html`<${BalanceProvider} who=${who}>${frame}</${BalanceProvider}>` : frame;
}

function Frame({ who }) {
  const { parts, path } = useStore(place);
  const [isMenuOpen, setIsMenuOpen] = useState(false);
  const found = pageAt(who.role, parts);
  const current = found?.row.under ?? found?.row.path;
  useEffect(() => {
    setIsMenuOpen(false);
    window.scrollTo(0, 0);
  }, [path]);
  const skip = (event) => {
    event.preventDefault();
    document.querySelector("main h1")?.focus();
  };
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <${Sidebar} who=${who} current=${current} isOpen=${isMenuOpen} onClose=${() => setIsMenuOpen(false)} />
    <div class="stage" inert=${isMenuOpen}>
      <${TopBar} who=${who} onMenu=${() => setIsMenuOpen(!isMenuOpen)} isMenuOpen=${isMenuOpen} />
      <main id="main">${who.role === "seller" && html`<${Suspension} />`}${found ? html`<${found.row.page} key=${path} id=${found.id} who=${who} />` : html`<${Nowhere} />`}</main>
    </div>
    <${TabBar} role=${who.role} current=${current} onMore=${() => setIsMenuOpen(!isMenuOpen)} isMenuOpen=${isMenuOpen} />
  </div>`;
}

function Suspension() {
  const isSuspended = useBalance()?.isSuspended;
  return html`<div role="status">${isSuspended && html`<div class="suspension"><${Notice} kind="warn" icon="ban">
    Your account is suspended. You can read everything, and capture or void open holds. Ask an admin to reinstate it.</${Notice}></div>`}</div>`;
}

function Sidebar({ who, current, isOpen, onClose }) {
  const rows = PAGES[who.role].filter(({ icon }) => icon);
  const groups = [...new Set(rows.map(({ group }) => group))];
  const element = useRef();
  useEffect(() => {
    if (!isOpen) return undefined;
    const before = document.activeElement;
    element.current.querySelector("nav a").focus();
    return () => before?.isConnected && before.focus();
  }, [isOpen]);
  return html`<div class="scrim ${isOpen ? "open" : ""}" onClick=${onClose}></div>
    <aside class="sidebar ${isOpen ? "open" : ""}" ref=${element} onKeyDown=${(event) => event.key === "Escape" && onClose()}>
      <a class="brand" href="#/"><${Mark} /><span>Charge Shop</span></a>
      ${who.role === "seller" && html`<${BalanceCard} />`}
      <nav aria-label="Main" id="main-navigation">
        ${groups.map((group) => html`<div key=${group ?? ""} class="nav-group">
          ${group && html`<p>${group}</p>`}
          <ul>${rows.filter((row) => row.group === group).map((row) => html`<${NavItem} key=${row.path} row=${row} current=${current} />`)}</ul>
        </div>`)}
      </nav>
      <div class="sidebar-foot">
        <a class="who" href="#/account" aria-current=${current === "/account" ? "page" : undefined}>
          <span class="avatar" aria-hidden="true">${[...(who.seller?.name || who.username)][0].toUpperCase()}</span>
          <span><b dir="auto">${who.seller?.name || who.username}</b><small>${who.role === "admin" ? "Admin" : who.username}</small></span>
        </a>
        <${IconButton} icon="log-out" label="Sign out" onClick=${signOut} />
      </div>
    </aside>`;
}

function NavItem({ row, current }) {
  const isCurrent = row.path === current;
  return html`<li><a href=${href(row.path)} aria-current=${isCurrent ? "page" : undefined}>
    <${Icon} name=${row.icon} /><span>${row.name}</span>${row.path === "/requests" && html`<${PendingCount} />`}
  </a></li>`;
}

function PendingCount() {
  const count = usePendingCount();
  return count ? html`<span class="count"><span dir="ltr" aria-hidden="true">${count}</span><span class="unseen">, ${count} pending</span></span>` : null;
}

/** So many characters do not fit beside each other in the size of most balances. */
const LONG = 13;

const written = (balance) => breakable(money(balance.available, balance.currency));

function BalanceCard() {
  const balance = useBalance();
  return html`<div class="balance-card">
    <p>Available</p>
    <p class="balance-figure ${balance && written(balance).length > LONG ? "long" : ""}">${balance ? html`<span dir="ltr">${written(balance)}</span>` : html`<i class="ghost"></i>`}</p>
    ${balance && html`<p class="balance-held">${html`<${Amount} value=${balance.held} currency=${balance.currency} />`} on hold</p>`}
  </div>`;
}

function TopBar({ who, onMenu, isMenuOpen }) {
  return html`<header class="topbar">
    <button type="button" class="icon-button menu-button" aria-label="Menu" aria-expanded=${isMenuOpen ? "true" : "false"} aria-controls="main-navigation" onClick=${onMenu}><${Icon} name="menu" /></button>
    <a class="brand small" href="#/"><${Mark} size="26" /><span>Charge Shop</span></a>
    <span class="grow"></span>
    ${who.role === "seller" && html`<${TopBalance} />`}
    <${LivePill} />
    <${Appearance} />
  </header>`;
}

function TopBalance() {
  const balance = useBalance();
  return balance && html`<span class="top-balance ${written(balance).length > LONG ? "long" : ""}"><span class="unseen">Available </span><span class="amount" dir="ltr">${written(balance)}</span></span>`;
}

const LIVE = {
  live: ["live", "Live", "What happens is shown as it happens."],
  polling: ["polling", "Updating", "New entries are asked for every few seconds."],
  connecting: ["connecting", "Connecting", "The live connection is being made."],
};

function LivePill() {
  const status = useStore(liveStatus);
  const { state } = useStore(connection);
  // A stream may not have noticed yet that nobody answers.
  const [kind, text, title] = (state === "ok" && LIVE[status]) || LIVE.connecting;
  return html`<span class="live-pill ${kind}" title=${title}><i aria-hidden="true"></i>${text}</span>`;
}

function TabBar({ role, current, onMore, isMenuOpen }) {
  return html`<nav class="tabbar" aria-label="Quick">
    ${PAGES[role].filter(({ isFirst }) => isFirst).map((row) => html`<a key=${row.path} href=${href(row.path)} aria-current=${row.path === current ? "page" : undefined}>
      <${Icon} name=${row.icon} size="20" /><span>${row.short || row.name}</span>${row.path === "/requests" && html`<${PendingCount} />`}</a>`)}
    <button type="button" onClick=${onMore} aria-expanded=${isMenuOpen ? "true" : "false"} aria-controls="main-navigation"><${Icon} name="ellipsis" size="20" /><span>More</span></button>
  </nav>`;
}

function Nowhere() {
  const home = html`<a class="button" href="#/">Go to the first page</a>`;
  return html`<${Page} title="Page not found"><${Empty} icon="search" title="There is no such page" action=${home}>The address may be misspelt, or it is a page for another role.</${Empty}></${Page}>`;
}
