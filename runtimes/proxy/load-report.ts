/** What an upstream says of its load beside its answers: the header `endpoint-load-metrics` of ORCA. */

/**
 * Requests that wait there, as vLLM and Triton tell them in either form: `TEXT num_requests_waiting=3, …` or
 * `JSON {"named_metrics": {"num_requests_waiting": 3}}`.
 *
 * @returns undefined where nothing is said of it
 */
export function waitingRequests(report: string | undefined): number | undefined {
  const [, number] = /num_requests_waiting"?\s*[=:]\s*(\d+(?:\.\d+)?)/.exec(report ?? '') ?? []
  return number === undefined ? undefined : Number(number)
}

/** The name of the header. */
export const loadHeader = 'endpoint-load-metrics'
