/** After how long without a request Knative would scale a service to zero. */
import type { DocumentComplaints } from './complaints.ts'

/** Knative's `stable-window`: without a request for so long, no replica is wanted. Seconds. */
const defaultWindow = 60
const prefix = 'autoscaling.knative.dev/'
const windowAnnotation = `${prefix}window`
const retentionAnnotation = `${prefix}scale-to-zero-pod-retention-period`

/** The annotations of Knative's autoscaler that are read here. */
export const idleAnnotations: readonly string[] = [windowAnnotation, retentionAnnotation]

const unitSeconds: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
}

/** Go's duration, as `1m30s`, in seconds; undefined where it is none. */
export function durationSeconds(text: string): number | undefined {
  if (text === '0') return 0
  if (!/^(\d{1,9}(\.\d{1,9})?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined
  let seconds = 0
  for (const [, count, , unit = 's'] of text.matchAll(/(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    seconds += Number(count) * (unitSeconds[unit] ?? 1)
  }
  return seconds
}

/**
 * @param minReplicas of a predictor, transformer or explainer; 1 where absent, as in KServe
 * @param annotations of the service
 * @returns undefined where it stays loaded
 */
export function idleSecondsOf(
  minReplicas: number | undefined,
  annotations: Readonly<Record<string, string>>,
  complaints: DocumentComplaints,
): number | undefined {
  if (minReplicas !== 0) return undefined
  const read = (name: string, otherwise: number): number => {
    const text = annotations[name]
    if (text === undefined) return otherwise
    const seconds = durationSeconds(text)
    if (seconds !== undefined) return seconds
    complaints.error(['metadata', 'annotations', name], 'is no duration: write it as 30s or 1m30s')
    return otherwise
  }
  const seconds = read(windowAnnotation, defaultWindow) + read(retentionAnnotation, 0)
  return Math.max(1, seconds)
}
