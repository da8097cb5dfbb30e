/** Texts of settings as values, each with what would be right where it is wrong. */
import type { DeviceRequest } from '../core/model.ts'
import { integer } from './settings.ts'

export function domain(text: string): string {
  if (/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(text)) return text
  throw new Error(`expected a domain such as example.com, got '${text}'`)
}

/** @returns the name of a claim and its directory */
export function claim(text: string): readonly [string, string] {
  const [, name, path] = /^([^=/]+)=(.+)$/s.exec(text) ?? []
  if (name === undefined || path === undefined) throw new Error(`expected CLAIM=PATH, got '${text}'`)
  return [name, path]
}

export function share(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && number >= 0 && number <= 1) return number
  throw new Error(`expected a number from 0 to 1, got '${text}'`)
}

export function seconds(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && number >= 0 && number <= 86_400) return number
  throw new Error(`expected a number of seconds from 0 to 86400, got '${text}'`)
}

export function pollSeconds(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && number > 0 && number <= 86_400) return number
  throw new Error(`expected a number of seconds above 0 and up to 86400, got '${text}'`)
}

export function workerCount(text: string): number | 'auto' {
  return text === 'auto' ? text : integer({ min: 1, max: 256 })(text)
}

export function deviceRequest(text: string): DeviceRequest {
  if (text === 'auto' || text === 'cpu' || text === 'cuda') return text
  const match = /^cuda:(\d+)$/.exec(text)
  if (match !== null) return `cuda:${Number(match[1])}`
  throw new Error(`expected auto, cpu, cuda or cuda:N, got '${text}'`)
}

/** A `grpcEndpoint` of a ServingRuntime. */
export type Endpoint =
  { readonly kind: 'port'; readonly port: number } | { readonly kind: 'unix'; readonly path: string }

export function endpoint(text: string): Endpoint {
  const [, scheme, rest = ''] = /^(port|unix):(.+)$/s.exec(text) ?? []
  if (scheme === 'port') return { kind: 'port', port: integer({ min: 0, max: 65_535 })(rest) }
  if (scheme === 'unix') return { kind: 'unix', path: socketPath(text) }
  throw new Error(`expected port:N or unix:PATH, got '${text}'`)
}

/** With or without the scheme: `unix:/mesh/data.sock`, `/mesh/data.sock`. */
export function socketPath(text: string): string {
  const path = text.replace(/^unix:(\/\/(?=\/))?/, '')
  if (path.startsWith('/')) return path
  throw new Error(`expected the absolute path of a socket, such as unix:/mesh/grpc.sock, got '${text}'`)
}
