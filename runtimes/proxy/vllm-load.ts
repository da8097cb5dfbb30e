/** How busy a vLLM server says that it is, in its metrics. */

/** Where {@link requestsAt} is read from: below the root, also of a base URL that ends with `/v1`. */
export const metricsPath = '/metrics'

/** Far above what vLLM writes. */
export const maxMetricsBytes = 4_000_000

const gauge = /^vllm:num_requests_(waiting|running)(?:\{[^\n]*\})?[ \t]+([0-9.e+]+)[ \t]*(?:\d+[ \t]*)?$/gm

/**
 * Requests that wait or run there, those of all engines together.
 *
 * @param metrics Prometheus' text format
 * @returns undefined where nothing is said of those that wait
 */
export function requestsAt(metrics: string): number | undefined {
  let sum = 0
  let isKnown = false
  for (const [, kind, value] of metrics.matchAll(gauge)) {
    const number = Number(value)
    if (!Number.isFinite(number)) continue
    if (kind === 'waiting') isKnown = true
    sum += number
  }
  return isKnown ? sum : undefined
}
