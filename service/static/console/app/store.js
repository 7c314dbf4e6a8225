// A value that can be watched: by plain functions, or by components through `useStore`.

import { useEffect, useState } from "./preact.js";

export class Store {
  constructor(value) {
    this.value = value;
    this.watchers = new Set();
  }

  set(value) {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const watcher of [...this.watchers]) watcher(value);
  }

  watch(watcher) {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /** Resolves once the value fulfils the condition. */
  until(condition) {
    if (condition(this.value)) return Promise.resolve(this.value);
    return new Promise((resolve) => {
      const stop = this.watch((value) => {
        if (!condition(value)) return;
        stop();
        resolve(value);
      });
    });
  }
}

export function useStore(store) {
  const [value, setValue] = useState(store.value);
  useEffect(() => {
    setValue(store.value); // it may have changed between the first paint and now
    return store.watch(setValue);
  }, [store]);
  return value;
}
