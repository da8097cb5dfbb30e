/** What the way to a session's thread and back costs. */
import { sampleInputs } from '../../src/runtime/index.ts'
import type { PlacedSession } from '../../src/runtime/index.ts'
import type { OnnxInfo } from './session.ts'

const calls = 7
/** The hop is lost in the noise of longer runs, and matters to nobody. */
const longestRunUs = 1000

/** Median of a few calls less the run itself, in microseconds; 0 where not measured. */
export async function measureHop(session: PlacedSession, { signature, timings }: OnnxInfo): Promise<number> {
  const { runUs, sample } = timings
  if (session.placement === 'inline' || runUs === undefined || sample === undefined || runUs > longestRunUs) return 0
  const inputs = sampleInputs(signature.inputs, 1, sample)
  if (inputs === undefined) return 0
  const { signal } = new AbortController()
  const times: number[] = []
  for (let call = 0; call < calls; call += 1) {
    const started = performance.now()
    await session.run({ inputs }, signal)
    times.push((performance.now() - started) * 1000)
  }
  times.sort((a, b) => a - b)
  return Math.max(0, (times[Math.floor(calls / 2)] ?? 0) - runUs)
}
