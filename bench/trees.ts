/** Comparison of the suite `runtimes`: iris as XGBoost made it beside iris as ONNX, one server each. */
import { dirname, join } from 'node:path'
import { compare, serverUnder } from './comparison.ts'
import type { Report } from './report.ts'
import { irisV2, type HttpRequest } from './requests.ts'
import type { RoundOptions } from './rounds.ts'
import { fixture, placementOf, startServable, withServers } from './servers.ts'

/** The same requests come through at 1.2 times the cost. */
const bar = 1 / 1.2

/** @param only part of a title: other comparisons are left out */
export async function trees(options: RoundOptions, only: string): Promise<readonly Report[]> {
  const title = 'iris, V2 JSON'
  if (!title.includes(only)) return []
  const file = join(dirname(fixture('iris-xgboost')), 'model.json')
  const starts = {
    onnx: () => startServable([dirname(fixture('iris-logreg'))]),
    xgboost: () => startServable([file], { flags: ['--model-name', 'iris-xgboost'] }),
  }
  return withServers(starts, async ({ onnx, xgboost }) => [
    await compare(
      {
        title: `${title}: XGBoost ${await placementOf(xgboost, 'iris-xgboost')}, ONNX ${await placementOf(onnx, 'iris-logreg')}`,
        contenders: [serverUnder('ONNX', onnx, irisV2), serverUnder('XGBoost', xgboost, asked('iris-xgboost'))],
        baseline: 'ONNX',
        bars: { XGBoost: bar },
      },
      options,
    ),
  ])
}

/** The same bytes to another model. */
function asked(model: string): HttpRequest {
  return { ...irisV2, path: `/v2/models/${model}/infer` }
}
