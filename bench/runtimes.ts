/** Suite `runtimes`: what a runtime costs beside another that does the same. */
import { hops } from './hop.ts'
import type { Report } from './report.ts'
import type { RoundOptions } from './rounds.ts'
import { trees } from './trees.ts'

/** @param only part of a title: other comparisons are left out */
export async function run(options: RoundOptions, only = ''): Promise<readonly Report[]> {
  return [...(await trees(options, only)), ...(await hops(options, only))]
}
