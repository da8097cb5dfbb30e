/** Suite `rest`: requests per second over REST beside echo servers, a naive handler and the bare runtime. */
import { dirname, join } from 'node:path'
import type { ServerProcess } from './child.ts'
import { bareRuntime, compare, serverUnder, type BareModel, type Comparison } from './comparison.ts'
import type { Report } from './report.ts'
import { addSub, irisV1, irisV2, pictureBinary, pictureJson, pictureShape, type HttpRequest } from './requests.ts'
import type { RoundOptions } from './rounds.ts'
import { fixture, placementOf, startServable, startTarget, withMeanModel, withServers } from './servers.ts'

/** A naive handler reaches 48 % of the fastify echo. */
const smallBar = 0.55
/** Against a fastify sink of the same body. */
const pictureBar = 0.7

const iris: BareModel = { file: fixture('iris-logreg'), inputs: ['X'], shape: [1, 4], datatype: 'float32' }
const sums: BareModel = { file: fixture('add-sub'), inputs: ['INPUT0', 'INPUT1'], shape: [1, 16], datatype: 'int32' }

/** @param only part of a title: other comparisons are left out */
export async function run(options: RoundOptions, only = ''): Promise<readonly Report[]> {
  return [...(await small(options, only)), ...(await pictures(options, only))]
}

function small(options: RoundOptions, only: string): Promise<readonly Report[]> {
  const starts = {
    servable: () => startServable([dirname(iris.file), dirname(sums.file)]),
    bare: () => startTarget('bare', 'echo'),
    echo: () => startTarget('fastify', 'echo'),
    naive: () => startTarget('naive', iris.file),
  }
  return withServers(starts, async ({ servable, bare, echo, naive }) => {
    const placements = {
      iris: await placementOf(servable, 'iris-logreg'),
      sums: await placementOf(servable, 'add-sub'),
    }
    const against = (title: string, request: HttpRequest, model: BareModel, bar?: number): Comparison => ({
      title: `${title}: ${request.body?.length} bytes, ${model === iris ? placements.iris : placements.sums}`,
      contenders: [
        serverUnder('servable', servable, request),
        serverUnder('fastify echo', echo, request),
        serverUnder('node:http echo', bare, request),
        ...(request === irisV2 ? [serverUnder('fastify, naive handler', naive, request)] : []),
        bareRuntime(model),
      ],
      baseline: 'fastify echo',
      bars: bar === undefined ? {} : { servable: bar },
    })
    return compareAll(
      [
        against('iris, V2 JSON', irisV2, iris, smallBar),
        against('iris, V1 JSON', irisV1, iris),
        against('add-sub, V2 JSON', addSub, sums),
      ],
      options,
      only,
    )
  })
}

function pictures(options: RoundOptions, only: string): Promise<readonly Report[]> {
  return withMeanModel((directory) => {
    const file = join(directory, 'model.onnx')
    const starts = {
      servable: () => startServable([directory]),
      defined: () => startTarget('defined'),
      bare: () => startTarget('bare', 'sink'),
      sink: () => startTarget('fastify', 'sink'),
      naive: () => startTarget('naive', file),
    }
    return withServers(starts, async (servers) => {
      const placement = await placementOf(servers.servable, 'mean')
      return compareAll(pictureComparisons(servers, file, placement), options, only)
    })
  })
}

function pictureComparisons(
  {
    servable,
    defined,
    bare,
    sink,
    naive,
  }: Readonly<Record<'servable' | 'defined' | 'bare' | 'sink' | 'naive', ServerProcess>>,
  file: string,
  placement: string,
): readonly Comparison[] {
  const runtime = bareRuntime({ file, inputs: ['x'], shape: pictureShape, datatype: 'float32' })
  const binary = pictureBinary('mean')
  const json = pictureJson('mean')
  return [
    {
      title: `1×3×224×224 FP32, V2 binary: ${binary.body?.length} bytes, ${placement}`,
      contenders: [
        serverUnder('servable, ONNX mean', servable, binary),
        serverUnder('servable, defineModel', defined, pictureBinary('ends')),
        serverUnder('fastify sink', sink, binary),
        serverUnder('node:http sink', bare, binary),
        runtime,
      ],
      baseline: 'fastify sink',
      bars: { 'servable, ONNX mean': pictureBar, 'servable, defineModel': pictureBar },
    },
    {
      title: `1×3×224×224 FP32, V2 JSON: ${json.body?.length} bytes, ${placement}`,
      contenders: [
        serverUnder('servable, ONNX mean', servable, json),
        serverUnder('servable, defineModel', defined, pictureJson('ends')),
        serverUnder('fastify sink', sink, json),
        serverUnder('fastify, naive handler', naive, json),
        runtime,
      ],
      baseline: 'fastify, naive handler',
      bars: {},
    },
  ]
}

async function compareAll(all: readonly Comparison[], options: RoundOptions, only: string): Promise<readonly Report[]> {
  const reports: Report[] = []
  for (const comparison of all) if (comparison.title.includes(only)) reports.push(await compare(comparison, options))
  return reports
}
