// SPDX-License-Identifier: Apache-2.0

/** The commands printed at start, each of which works as it stands. */
export function curlLines(edge: { readonly url: string; readonly adminUrl: string }, demo: boolean): readonly string[] {
  const demos = [
    `curl ${edge.url}/demo/hello/ada`,
    `curl ${edge.url}/demo/time`,
    `curl -d '{"answer":42}' -H 'Content-Type: application/json' ${edge.url}/demo/echo`,
  ]
  return [
    ...(demo ? demos : []),
    `curl ${edge.url}/`,
    `curl '${edge.adminUrl}/readyz?verbose'`,
    `curl ${edge.adminUrl}/metrics`,
  ]
}
