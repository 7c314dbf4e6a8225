// How many credit requests wait for a decision: "100+" when there are more than one page of them.

import { get } from "./api.js";
import { useResource } from "./resource.js";

export const CHANGES_REQUESTS = new Set(["credit_requested", "credit_endorsed", "credit", "credit_rejected", "credit_cancelled"]);

export function usePendingCount() {
  const { data } = useResource((signal) => get("/v1/credit-requests", { status: "pending", limit: 100 }, { signal }), [], {
    isAbout: ({ type }) => CHANGES_REQUESTS.has(type),
  });
  return data && (data.has_more ? "100+" : data.data.length);
}
