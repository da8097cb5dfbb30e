/** What the requests to each model have added up to, by the labels that metrics show. */
import type { RequestContext } from '../core/inference.ts'
import type { Timings, Verb } from '../dataplane/dataplane.ts'
import { ensure, Observations } from './observations.ts'

type Protocol = RequestContext['protocol']

/** From 100 µs, a small model inline, to 60 s, a generation. */
export const durationBounds: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]
/** Those of the Python client that KServe's server uses, so that its dashboards read the same. */
export const kserveBounds: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
]

export const phases = ['preprocess', 'predict', 'postprocess', 'explain'] as const
export type Phase = (typeof phases)[number]

/** One version by one protocol. */
export class ProtocolCounts {
  readonly duration = new Observations(durationBounds)
  /** Requests by verb and code: `infer ok`. */
  readonly codes = new Map<string, number>()

  count(verb: Verb, code: string): void {
    const key = `${verb} ${code}`
    this.codes.set(key, (this.codes.get(key) ?? 0) + 1)
  }
}

/** One model, all versions. */
export class ModelCounts {
  readonly phases: Readonly<Record<Phase, Observations>> = {
    preprocess: new Observations(kserveBounds),
    predict: new Observations(kserveBounds),
    postprocess: new Observations(kserveBounds),
    explain: new Observations(kserveBounds),
  }
  /** Seconds in the queue, of answered requests. */
  readonly queueWait = new Observations(durationBounds)
  readonly versions = new Map<string, Map<Protocol, ProtocolCounts>>()

  of(version: string, protocol: Protocol): ProtocolCounts {
    const protocols = ensure(this.versions, version, () => new Map<Protocol, ProtocolCounts>())
    return ensure(protocols, protocol, () => new ProtocolCounts())
  }

  /** Adds the parts of one answered call, as KServe times them. */
  addTimings(verb: Verb, timings: Timings): void {
    this.phases.preprocess.observe(timings.preprocessMs / 1000)
    if (verb === 'infer') {
      this.phases.predict.observe(timings.predictMs / 1000)
      this.queueWait.observe(timings.queueMs / 1000)
    } else this.phases.explain.observe(timings.explainMs / 1000)
    this.phases.postprocess.observe(timings.postprocessMs / 1000)
  }
}
