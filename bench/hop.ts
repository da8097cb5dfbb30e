/** Comparisons of the suite `runtimes`: what a V2 gRPC hop in front of Servable adds, both on one core. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ServerProcess } from './child.ts'
import { compare, loaded } from './comparison.ts'
import { loadGrpc } from './grpc-load.ts'
import { irisInfer, pictureInfer, type GrpcRequest } from './grpc-message.ts'
import type { Report } from './report.ts'
import type { Contender, RoundOptions } from './rounds.ts'
import { fixture, startServable, startTarget, withServers } from './servers.ts'

/** The hop costs no more than the request itself: both share a core, so that half as many calls come through. */
const bar = 0.5

/** One request, and the server that answers it. */
interface Hop {
  readonly title: string
  readonly model: string
  readonly request: GrpcRequest
  readonly start: () => Promise<ServerProcess>
  /** How many calls are under way; a busy machine's worth where absent. */
  readonly load?: Calls
}

interface Calls {
  readonly connections?: number
  readonly streams?: number
}

/** What a caller waits, who has nothing else to do. */
const oneCall: Calls = { connections: 1, streams: 1 }

/** @param only part of a title: other comparisons are left out */
export async function hops(options: RoundOptions, only: string): Promise<readonly Report[]> {
  const [ends, iris] = [pictureInfer('ends'), irisInfer]
  const all: readonly Hop[] = [
    {
      title: `V2 gRPC hop, iris: ${iris.message.byteLength} bytes`,
      model: 'iris-logreg',
      request: iris,
      start: () => startServable([dirname(fixture('iris-logreg'))]),
    },
    {
      title: 'V2 gRPC hop, iris, one call at a time',
      model: 'iris-logreg',
      request: iris,
      start: () => startServable([dirname(fixture('iris-logreg'))]),
      load: oneCall,
    },
    {
      title: `V2 gRPC hop, 1×3×224×224 FP32: ${ends.message.byteLength} bytes`,
      model: 'ends',
      request: ends,
      start: () => startTarget('defined'),
    },
  ]
  const reports: Report[] = []
  for (const hop of all) if (hop.title.includes(only)) reports.push(await compareHop(hop, options))
  return reports
}

function compareHop({ title, model, request, start, load = {} }: Hop, options: RoundOptions): Promise<Report> {
  return withServers({ upstream: start }, ({ upstream }) =>
    withProxiedModel(model, upstream.grpc, (directory) =>
      withServers({ proxy: () => startServable([directory]) }, ({ proxy }) =>
        compare(
          {
            title,
            contenders: [under('direct', upstream, request, load), under('through the hop', proxy, request, load)],
            baseline: 'direct',
            bars: { 'through the hop': bar },
          },
          options,
        ),
      ),
    ),
  )
}

function under(name: string, server: ServerProcess, request: GrpcRequest, load: Calls): Contender {
  return loaded(name, server, (seconds) => loadGrpc(server.grpc, request, { seconds, ...load }))
}

/** Writes a model.yaml for the length of `work`. @param work gets the model's directory */
async function withProxiedModel<T>(name: string, address: string, work: (directory: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'servable-bench-'))
  const directory = join(folder, name)
  try {
    mkdirSync(directory)
    const yaml = { format: 'proxy', options: { profile: 'triton', upstreams: [`grpc://${address}`] } }
    writeFileSync(join(directory, 'model.yaml'), JSON.stringify(yaml))
    return await work(directory)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
