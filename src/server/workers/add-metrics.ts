/** The metrics of several processes as those of one server. */
import type { Family, Labels, Sample } from './metrics-text.ts'

/** One process's metrics, and the label by which its own state is told apart. */
export interface ProcessMetrics {
  /** As the label `worker` shows it. */
  readonly worker: string
  readonly families: readonly Family[]
}

/** Gauges that do not add. Where the rule is by name, each process tells the same or its own estimate. */
const rules: readonly (readonly [RegExp, (values: readonly number[]) => number])[] = [
  [/_(ready|lru_seconds)$/, (values) => Math.min(...values)],
  [/_info$/, (values) => Math.max(...values)],
  // What was measured or learned: the load that took longest, the slowest model, the largest batch.
  [
    /_(seconds|secs|bps|margin|ratio|batch_size|efficient_batch|alpha|beta|timestamp)$/,
    (values) => Math.max(...values),
  ],
]

/** CPU, memory, event loop, garbage collection: a sum over processes would hide the one in trouble. */
const perProcess = /^(process|nodejs)_/

/**
 * Adds up: counters and histograms by their labels, gauges too, but for what {@link rules} says. Metrics of a process itself
 * are not added but told apart by a label `worker`.
 */
export function addMetrics(processes: readonly ProcessMetrics[]): readonly Family[] {
  const families = new Map<string, { readonly first: Family; readonly samples: Map<string, Gathered> }>()
  for (const { worker, families: own } of processes) {
    for (const family of own) {
      const known = families.get(family.name) ?? { first: family, samples: new Map<string, Gathered>() }
      families.set(family.name, known)
      const isOwn = perProcess.test(family.name)
      for (const sample of family.samples) gather(known.samples, isOwn ? labelled(sample, worker) : sample)
    }
  }
  return [...families.values()].map(({ first, samples }) => {
    const combine = ruleFor(first)
    return {
      ...first,
      samples: [...samples.values()].map(({ sample, values }) => ({ ...sample, value: combine(values) })),
    }
  })
}

/** What a process leaves behind when it ends: its counters and histograms, which must never go down. */
export function lasting({ worker, families }: ProcessMetrics): ProcessMetrics {
  return { worker, families: families.filter(({ type }) => type === 'counter' || type === 'histogram') }
}

interface Gathered {
  readonly sample: Sample
  readonly values: number[]
}

function gather(samples: Map<string, Gathered>, sample: Sample): void {
  const key = keyOf(sample)
  const known = samples.get(key)
  if (known === undefined) samples.set(key, { sample, values: [sample.value] })
  else known.values.push(sample.value)
}

/** The order of labels does not count. */
function keyOf({ name, labels }: Sample): string {
  return `${name} ${[...labels]
    .map(([label, value]) => `${label}=${value}`)
    .sort()
    .join(',')}`
}

function labelled(sample: Sample, worker: string): Sample {
  const labels: Labels = sample.labels.has('worker') ? sample.labels : new Map([...sample.labels, ['worker', worker]])
  return { ...sample, labels }
}

function ruleFor({ name, type }: Family): (values: readonly number[]) => number {
  if (type === 'gauge') {
    const rule = rules.find(([pattern]) => pattern.test(name))
    if (rule !== undefined) return rule[1]
  }
  return (values) => values.reduce((sum, value) => sum + value, 0)
}
