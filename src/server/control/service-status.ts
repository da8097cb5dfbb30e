/** The status of an InferenceService in KServe's shape (inference_service_status.go). */
import type { Condition, ConditionStatus } from './conditions.ts'
import { timeOf } from './conditions.ts'
import type { RevisionReport, RolloutReport } from './rollout.ts'

export interface ServiceFacts {
  readonly name: string
  readonly namespace: string
  /** Of host names: `example.com`. */
  readonly domain: string
  /** Base URL of REST; absent until the server listens. */
  readonly http?: string | undefined
  /** The ServingRuntime that was chosen, and whether it is one of the whole cluster. */
  readonly runtime: { readonly name: string; readonly isCluster: boolean } | undefined
  /** Transformer and explainer, and whether each is ready. */
  readonly components: Readonly<Record<string, boolean>>
  /** Undefined where it is stopped. */
  readonly rollout: RolloutReport | undefined
}

/** Without the times of the conditions. */
export interface ServiceStatus {
  readonly conditions: readonly Condition[]
  readonly fields: Readonly<Record<string, unknown>>
}

export function serviceStatus(facts: ServiceFacts): ServiceStatus {
  const { name, namespace, domain, http, runtime, rollout } = facts
  const url = `http://${name}.${namespace}.${domain}`
  return {
    conditions: conditionsOf(facts),
    fields: {
      ...(http === undefined ? {} : { address: { url: `${http}/serving/${namespace}/${name}` } }),
      url,
      ...(rollout === undefined ? {} : { components: { predictor: predictorOf(facts, rollout) } }),
      ...(rollout === undefined ? {} : { modelStatus: modelStatusOf(rollout) }),
      ...(runtime === undefined
        ? {}
        : { [runtime.isCluster ? 'clusterServingRuntimeName' : 'servingRuntimeName']: runtime.name }),
    },
  }
}

function conditionsOf({ rollout, components }: ServiceFacts): readonly Condition[] {
  if (rollout === undefined) {
    return ['IngressReady', 'PredictorReady', 'Ready', 'Stopped'].map((type) => ({
      type,
      status: type === 'Stopped' ? 'True' : 'False',
      reason: 'Stopped',
    }))
  }
  const { latest } = rollout
  const serving = rollout.shares.length > 0 && isServing(rollout)
  const latestReady = readiness(latest)
  const why = latest.reason === undefined ? {} : { reason: 'ModelLoadFailed', message: latest.reason }
  const predictor: Condition = {
    type: 'PredictorReady',
    status: latestReady,
    ...(latestReady === 'True' ? {} : why),
  }
  const others = Object.entries(components).map(([type, isReady]): Condition => ({
    type: `${type}Ready`,
    status: isReady ? 'True' : 'False',
  }))
  const route: ConditionStatus = serving ? 'True' : latestReady === 'False' ? 'False' : 'Unknown'
  const parts = [predictor, ...others, { type: 'IngressReady', status: route }] satisfies readonly Condition[]
  const failing = parts.find(({ status }) => status === 'False') ?? parts.find(({ status }) => status === 'Unknown')
  const details: readonly Condition[] = [
    { type: 'LatestDeploymentReady', status: latestReady, severity: 'Info', ...(latestReady === 'True' ? {} : why) },
    { type: 'PredictorConfigurationReady', status: latestReady, severity: 'Info' },
    { type: 'PredictorRouteReady', status: route, severity: 'Info' },
    { type: 'RoutesReady', status: route, severity: 'Info' },
  ]
  const ready: Condition = { status: 'True', ...failing, type: 'Ready' }
  const stopped: Condition = { type: 'Stopped', status: 'False', severity: 'Info' }
  return [...parts, ...details, ready, stopped].toSorted((left, right) => (left.type < right.type ? -1 : 1))
}

/** Some revision answers. */
function isServing({ latest, previous, shares }: RolloutReport): boolean {
  return [latest, previous].some(
    (each) => each !== undefined && readiness(each) === 'True' && shares.some(({ revision }) => revision === each.name),
  )
}

function readiness({ state }: RevisionReport): ConditionStatus {
  if (state === 'Loaded' || state === 'Standby') return 'True'
  return state === 'FailedToLoad' ? 'False' : 'Unknown'
}

function predictorOf({ name, namespace, domain, http }: ServiceFacts, rollout: RolloutReport): object {
  const { latest, previous, shares } = rollout
  const host = `${name}-predictor.${namespace}.${domain}`
  const isReady = readiness(latest) === 'True'
  const isRolledOut = shares.length === 1 && shares[0]?.revision === latest.name
  const rolledOut = isRolledOut ? latest.name : previous?.name
  const ready = isReady ? latest.name : previous !== undefined && readiness(previous) === 'True' ? previous.name : ''
  const traffic = shares.toReversed().map(({ revision, percent }) => {
    const isLatest = revision === latest.name
    const tag = isLatest ? 'latest' : 'prev'
    const tagged = shares.length > 1 || !isLatest ? { tag, url: `http://${tag}-${host}` } : {}
    return { latestRevision: isLatest, percent, revisionName: revision, ...tagged }
  })
  return {
    ...(http === undefined ? {} : { address: { url: `${http}/serving/${namespace}/${name}` } }),
    latestCreatedRevision: latest.name,
    ...(ready === '' ? {} : { latestReadyRevision: ready }),
    ...(rolledOut === undefined ? {} : { latestRolledoutRevision: rolledOut }),
    ...(isRolledOut && previous !== undefined ? { previousRolledoutRevision: previous.name } : {}),
    traffic,
    url: `http://${host}`,
  }
}

function modelStatusOf(rollout: RolloutReport): object {
  const { latest, previous } = rollout
  const active = isServing(rollout)
    ? [latest, previous].find((each) => each?.name === rollout.shares[0]?.revision)?.state
    : undefined
  const isFailed = latest.state === 'FailedToLoad'
  const isDone = latest.state === 'Loaded' || latest.state === 'Standby'
  const copies = [latest, previous].filter((each) => each !== undefined && readiness(each) === 'True').length
  const failure = {
    exitCode: 1,
    ...(latest.failedMs === undefined ? {} : { time: timeOf(latest.failedMs) }),
    modelRevisionName: latest.name,
    reason: 'ModelLoadFailed',
    message: latest.reason ?? '',
  }
  return {
    copies: { failedCopies: isFailed ? 1 : 0, totalCopies: copies },
    ...(isFailed ? { lastFailureInfo: failure } : {}),
    states: { activeModelState: active ?? '', targetModelState: latest.state },
    transitionStatus: isFailed ? 'BlockedByFailedLoad' : isDone ? 'UpToDate' : 'InProgress',
  }
}
