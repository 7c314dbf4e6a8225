// What a page keeps in this tab beyond a reload or the end of a session. Names end with the user's id: what somebody left
// behind is found again by nobody else.

/** What is kept under a name; null where nothing is. */
export function stored(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

/** Keeps it; null forgets it. */
export function store(name, value) {
  try {
    if (value) sessionStorage.setItem(name, JSON.stringify(value));
    else sessionStorage.removeItem(name);
  } catch {
    // Storage is refused: it lives as long as the page.
  }
}
