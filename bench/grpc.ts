/** Suite `grpc`: calls per second over gRPC beside `node:http2` alone and grpc-js with identity serialisers. */
import { dirname } from 'node:path'
import type { ServerProcess } from './child.ts'
import { compare, loaded, type Comparison } from './comparison.ts'
import { callOnce, loadGrpc } from './grpc-load.ts'
import { irisInfer, irisPredict, pictureInfer, type GrpcRequest } from './grpc-message.ts'
import type { Report } from './report.ts'
import type { Contender, RoundOptions } from './rounds.ts'
import { fixture, placementOf, startServable, startTarget, withMeanModel, withServers } from './servers.ts'

/** A naive handler reaches 60 % of the grpc-js echo. */
const smallBar = 0.7
/** Of the same echo, which sends 600 KB back; "same answer" beside it does not. */
const pictureBar = 0.85
/** Predict within 1.5 times the cost of ModelInfer. */
const predictBar = 1 / 1.5

/** @param only part of a title: other comparisons are left out */
export async function run(options: RoundOptions, only = ''): Promise<readonly Report[]> {
  return [...(await small(options, only)), ...(await pictures(options, only))]
}

function small(options: RoundOptions, only: string): Promise<readonly Report[]> {
  return withServers(
    { servable: () => startServable([dirname(fixture('iris-logreg'))]), echo: () => startTarget('grpc-js', 'echo') },
    async ({ servable, echo }) => {
      const answer = (await callOnce(servable.grpc, irisInfer)).toString('hex')
      const placement = await placementOf(servable, 'iris-logreg')
      const starts = { answering: () => startTarget('grpc-js', answer), bare: () => startTarget('http2', answer) }
      return withServers(starts, ({ answering, bare }) =>
        compareAll(
          [
            {
              title: `iris, ModelInfer raw: ${irisInfer.message.byteLength} bytes, ${placement}`,
              contenders: [
                grpcUnder('servable', servable, irisInfer),
                grpcUnder('grpc-js echo', echo, irisInfer),
                grpcUnder('grpc-js, same answer', answering, irisInfer),
                grpcUnder('node:http2, same answer', bare, irisInfer),
              ],
              baseline: 'grpc-js echo',
              bars: { servable: smallBar },
            },
            {
              title: `iris, Predict of TF Serving: ${irisPredict.message.byteLength} bytes, ${placement}`,
              contenders: [grpcUnder('Predict', servable, irisPredict), grpcUnder('ModelInfer', servable, irisInfer)],
              baseline: 'ModelInfer',
              bars: { Predict: predictBar },
            },
          ],
          options,
          only,
        ),
      )
    },
  )
}

function pictures(options: RoundOptions, only: string): Promise<readonly Report[]> {
  const [mean, ends] = [pictureInfer('mean'), pictureInfer('ends')]
  return withMeanModel((directory) =>
    withServers(
      {
        servable: () => startServable([directory]),
        defined: () => startTarget('defined'),
        echo: () => startTarget('grpc-js', 'echo'),
      },
      async ({ servable, defined, echo }) => {
        const answer = (await callOnce(defined.grpc, ends)).toString('hex')
        const placement = await placementOf(servable, 'mean')
        const starts = { answering: () => startTarget('grpc-js', answer), bare: () => startTarget('http2', answer) }
        return withServers(starts, ({ answering, bare }) =>
          compareAll(
            [
              {
                title: `1×3×224×224 FP32, ModelInfer raw: ${mean.message.byteLength} bytes, ${placement}`,
                contenders: [
                  grpcUnder('servable, ONNX mean', servable, mean),
                  grpcUnder('servable, defineModel', defined, ends),
                  grpcUnder('grpc-js echo', echo, ends),
                  grpcUnder('grpc-js, same answer', answering, ends),
                  grpcUnder('node:http2, same answer', bare, ends),
                ],
                baseline: 'grpc-js echo',
                bars: { 'servable, defineModel': pictureBar, 'servable, ONNX mean': pictureBar },
              },
            ],
            options,
            only,
          ),
        )
      },
    ),
  )
}

function grpcUnder(name: string, server: ServerProcess, request: GrpcRequest): Contender {
  return loaded(name, server, (seconds) => loadGrpc(server.grpc, request, { seconds }))
}

async function compareAll(all: readonly Comparison[], options: RoundOptions, only: string): Promise<readonly Report[]> {
  const reports: Report[] = []
  for (const comparison of all) if (comparison.title.includes(only)) reports.push(await compare(comparison, options))
  return reports
}
