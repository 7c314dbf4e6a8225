// Recomputes the hash of an entry from what the API answered, as the journal documents it to the byte: the SHA-256 of
// one JSON array. Nothing is taken from the answer's own `hash` member; an auditor may read this file and trust only that.

/** {hash, preimage} of the JSON text of one Transaction. */
export async function recompute(text) {
  const raw = members(text);
  const minor = (name) => BigInt(JSON.parse(raw[name]).replace(".", "")).toString();
  const preimage = `[${[
    '"charge-shop/1"', raw.seller_id, raw.seq, raw.type,
    minor("amount"), minor("held_change"), minor("available_after"), minor("held_after"),
    raw.charge_id, raw.credit_request_id, raw.made_by, raw.reason, raw.details,
    microseconds(JSON.parse(raw.created_at)), raw.previous_hash,
  ].join(",")}]`;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(preimage));
  return { hash: [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join(""), preimage };
}

/** SubtleCrypto is there on https and on this machine's own address only. */
export const canRecompute = () => Boolean(globalThis.crypto?.subtle);

/** "2026-11-23T10:00:00.123456Z" since the epoch; a Date would lose the last three digits. */
function microseconds(time) {
  return (BigInt(Date.parse(`${time.slice(0, 19)}Z`)) * 1000n + BigInt(time.slice(20, 26))).toString();
}

/** The members of a JSON object as the texts they came as: parsing would reorder `details` with numbers as names. */
function members(text) {
  const found = {};
  let depth = 0;
  let start = -1;
  let name = null;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (sign === '"') {
      const from = at++;
      while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      if (depth === 1 && name === null) {
        name = JSON.parse(text.slice(from, at + 1));
        at = text.indexOf(":", at);
        start = at + 1;
      }
    } else if (sign === "{" || sign === "[") {
      depth++;
    } else if (sign === "}" || sign === "]") {
      if (--depth === 0 && name !== null) found[name] = text.slice(start, at).trim();
    } else if (sign === "," && depth === 1) {
      found[name] = text.slice(start, at).trim();
      name = null;
    }
  }
  return found;
}
