/** Suite `density`: more models than fit into memory, models that come and go, reloads under traffic, ten thousand that nobody asks for. */
import { cycles } from './density/cycles.ts'
import { registration } from './density/registration.ts'
import { reloads } from './density/reloads.ts'
import { traffic } from './density/traffic.ts'
import type { Report } from './report.ts'
import type { RoundOptions } from './rounds.ts'

const parts: Readonly<Record<string, (options: RoundOptions) => Promise<Report>>> = {
  traffic,
  cycles,
  reloads,
  registration,
}

/** @param only names of parts, with commas; all where absent */
export async function* run(options: RoundOptions, only?: string): AsyncIterable<Report> {
  const names = only?.split(',') ?? Object.keys(parts)
  for (const name of names) {
    const part = parts[name]
    if (part === undefined) throw new Error(`there is no part '${name}' of density: ${Object.keys(parts).join(', ')}`)
    yield await part(options)
  }
}
