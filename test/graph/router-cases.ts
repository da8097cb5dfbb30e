/** What KServe's router was recorded to do. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { shared } from '../paths.ts'

/** A stub of a step's service. */
export interface Backend {
  readonly status: number
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
  readonly delayMs?: number
  readonly drop?: boolean
}

/** A call that a backend gets. */
export interface Call {
  readonly backend: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface RouterCase {
  readonly id: string
  readonly title: string
  readonly spec: { readonly nodes: object; readonly routerTimeouts?: object }
  readonly backends: Readonly<Record<string, Backend>>
  readonly request: { readonly body: string; readonly headers: Readonly<Record<string, string>> }
  readonly propagateHeaders?: readonly string[]
  readonly serviceClientTimeoutSeconds?: number
  readonly expected: {
    readonly status?: number
    readonly contentType?: string
    readonly body?: string
    readonly connectionClosed?: boolean
    readonly patternError?: string
    readonly calls?: readonly Call[]
  }
}

/** None where `../shared` is absent. */
export const routerCases: readonly RouterCase[] =
  shared === undefined
    ? []
    : (JSON.parse(readFileSync(join(shared, 'cases', 'inference-graph.json'), 'utf8')) as { cases: RouterCase[] }).cases
