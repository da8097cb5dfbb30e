/** Small requests at 64 connections: those of one turn of the event loop share a run; and the same with two processes. */
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import type { ServerProcess } from '../child.ts'
import { compare, loaded, serverUnder } from '../comparison.ts'
import { loadGrpc } from '../grpc-load.ts'
import { irisInfer, type GrpcRequest } from '../grpc-message.ts'
import { endedChildrenCpuMs } from '../process-time.ts'
import { percent, round, type Report } from '../report.ts'
import { irisV2 } from '../requests.ts'
import { spreadOf, type Contender, type RoundOptions, type Sample } from '../rounds.ts'
import { fixture, placementOf, startServable, startTarget, withServers } from '../servers.ts'

const connections = 64
/** Of a fastify echo, and of a grpc-js echo. */
const restBar = 0.8
const grpcBar = 0.85
const workersBar = 1.5

const iris = dirname(fixture('iris-logreg'))

export function doors(options: RoundOptions): Promise<readonly Report[]> {
  const starts = {
    servable: () => startServable([iris]),
    fastify: () => startTarget('fastify', 'echo'),
    grpcJs: () => startTarget('grpc-js', 'echo'),
  }
  return withServers(starts, async ({ servable, fastify, grpcJs }) => {
    const placement = await placementOf(servable, 'iris-logreg')
    const overRest = {
      title: `doors: iris, V2 JSON, ${connections} connections, ${placement}`,
      contenders: [
        serverUnder('servable', servable, irisV2, connections),
        serverUnder('fastify echo', fastify, irisV2, connections),
      ],
      baseline: 'fastify echo',
      bars: { servable: restBar },
    }
    const overGrpc = {
      title: `doors: iris, ModelInfer raw, ${connections} connections, ${placement}`,
      contenders: [grpcUnder('servable', servable, irisInfer), grpcUnder('grpc-js echo', grpcJs, irisInfer)],
      baseline: 'grpc-js echo',
      bars: { servable: grpcBar },
    }
    return [await compare(overRest, options), await compare(overGrpc, options)]
  })
}

function grpcUnder(name: string, server: ServerProcess, request: GrpcRequest): Contender {
  return loaded(name, server, (seconds) => loadGrpc(server.grpc, request, { seconds, connections, streams: 1 }))
}

/** Both servers have all cores; the generator is bound to core 1, and what it takes of it is missing there. */
export function workers(options: RoundOptions): Promise<readonly Report[]> {
  const startWith = (count: number) => () => startServable([iris], { core: 'any', flags: ['--workers', String(count)] })
  return withServers({ one: startWith(1), two: startWith(2) }, async (servers) => {
    const one = withGeneratorTime(serverUnder('--workers 1', servers.one, irisV2, connections))
    const two = withGeneratorTime(serverUnder('--workers 2', servers.two, irisV2, connections))
    const report = await compare(
      {
        title: `workers: iris, V2 JSON, ${connections} connections, ${availableParallelism()} cores for all of it`,
        contenders: [two.contender, one.contender],
        baseline: '--workers 1',
        bars: { '--workers 2': workersBar },
      },
      options,
    )
    return [{ ...report, title: `${report.title}; ${limitOf(one.samples, two.samples)}` }]
  })
}

/** A sample with the processor time of the generator for each request. */
interface TimedSample extends Sample {
  readonly generatorUs: number
}

interface Timed {
  readonly contender: Contender
  readonly samples: readonly TimedSample[]
}

function withGeneratorTime(inner: Contender): Timed {
  const samples: TimedSample[] = []
  const contender = {
    name: inner.name,
    async measure(seconds: number) {
      const before = endedChildrenCpuMs() ?? NaN
      const sample = await inner.measure(seconds)
      const spentMs = (endedChildrenCpuMs() ?? NaN) - before
      samples.push({ ...sample, generatorUs: (spentMs * 1000) / (sample.perSecond * seconds) })
      return sample
    },
  }
  return { contender, samples }
}

/** What the cores hold at most if no time is lost: every request costs the server's time and the generator's. */
function limitOf(one: readonly TimedSample[], two: readonly TimedSample[]): string {
  const eachUs = spreadOf(two.map(({ cpuUs = NaN, generatorUs }) => cpuUs + generatorUs)).median
  const ofOneUs = spreadOf(two.map(({ generatorUs }) => generatorUs)).median
  const most = (availableParallelism() * 1e6) / eachUs
  const ratio = most / spreadOf(one.map(({ perSecond }) => perSecond)).median
  return Number.isNaN(ratio)
    ? 'the time of the generator is not told here'
    : `the generator takes ${round(ofOneUs)} µs of each request, which leaves room for ${percent(ratio)} of one worker`
}
