/** The house holds: imports run down the floors, packages stay in the rooms they belong to, no import circle. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './paths.ts'

const floors = [
  'core',
  'codec runtime scheduling storage hooks',
  'repository',
  'dataplane graph',
  'rest grpc console telemetry kserve client',
  'server',
  'cli',
].map((rooms) => rooms.split(' '))
const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room))

/** Packages that only some places may import. A place is a path prefix. */
const packages: Readonly<Record<string, readonly string[]>> = {
  fastify: ['src/rest/', 'src/console/', 'src/server/'],
  '@grpc/grpc-js': ['src/grpc/', 'src/client/', 'runtimes/proxy/'],
  'prom-client': ['src/telemetry/'],
  'onnxruntime-node': ['runtimes/onnx/'],
  '@tensorflow/tfjs-core': ['runtimes/tfjs/'],
  sharp: ['src/hooks/'],
  pino: ['src/telemetry/'],
  tar: ['src/storage/'],
  yauzl: ['src/storage/'],
}

interface Import {
  readonly file: string
  readonly target: string
  readonly isTypeOnly: boolean
}

function sourcesBelow(folder: string): string[] {
  const path = join(root, folder)
  if (!existsSync(path)) return []
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith('.ts'))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w*{][^'"`]*?\sfrom\s+)?'([^']+)'|import\('([^']+)'\)/g,
  )
  return [...found].map(([, type, from, dynamic]) => ({
    file,
    target: from ?? dynamic ?? '',
    isTypeOnly: type !== undefined,
  }))
}

const files = [...sourcesBelow('src'), ...sourcesBelow('runtimes')]
const imports = files.flatMap(importsOf)
const resolved = imports
  .filter(({ target }) => target.startsWith('.'))
  .map((found) => ({ ...found, path: normalize(join(dirname(found.file), found.target)) }))

function roomOf(file: string): string | undefined {
  const [top, room, rest] = file.split('/')
  return top === 'src' && rest !== undefined ? room : undefined
}

describe('the floors', () => {
  it('finds sources and imports to judge', () => {
    expect(files.length).toBeGreaterThan(20)
    expect(resolved.length).toBeGreaterThan(50)
  })

  it('has a floor for every room', () => {
    const rooms = new Set(files.map(roomOf).filter((room) => room !== undefined))
    expect([...rooms].filter((room) => floorOf(room) === -1)).toEqual([])
  })

  it('lets imports run only down, never up, never sideways', () => {
    const broken = resolved.filter(({ file, path }) => {
      const from = roomOf(file)
      const to = roomOf(path)
      if (from === undefined || from === to) return false
      return to === undefined || floorOf(to) >= floorOf(from)
    })
    expect(broken.map(({ file, path }) => `${file} -> ${path}`)).toEqual([])
  })

  it('gives runtimes two doors into the house, and the house none into a runtime', () => {
    const doors = ['src/runtime/index.ts', 'src/codec/index.ts']
    // Trees become ONNX in memory: a session of its own for them would be the ONNX runtime's a second time.
    const between: Readonly<Record<string, string>> = { 'runtimes/trees/': 'runtimes/onnx/index.ts' }
    const broken = resolved.filter(({ file, path }) => {
      if (file.startsWith('runtimes/')) {
        const own = file.split('/').slice(0, 2).join('/') + '/'
        if (path.startsWith('src/')) return !doors.includes(path)
        return !path.startsWith(own) && between[own] !== path
      }
      return path.startsWith('runtimes/')
    })
    expect(broken.map(({ file, path }) => `${file} -> ${path}`)).toEqual([])
  })

  it('keeps each package in its rooms', () => {
    const broken = imports.filter(({ file, target }) => {
      const places = packages[target]
      return places !== undefined && !places.some((place) => file.startsWith(place))
    })
    expect(broken.map(({ file, target }) => `${file} -> ${target}`)).toEqual([])
  })

  it('keeps core free of packages and input or output', () => {
    const broken = imports.filter(({ file, target }) => file.startsWith('src/core/') && !target.startsWith('.'))
    expect(broken).toEqual([])
  })

  it('has no circle of value imports', () => {
    const graph = new Map<string, string[]>()
    for (const { file, path, isTypeOnly } of resolved) {
      if (!isTypeOnly) graph.set(file, [...(graph.get(file) ?? []), path])
    }
    expect(circleIn(graph)).toBeUndefined()
  })
})

function circleIn(graph: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): readonly string[] | undefined => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file]
    if (done.has(file)) return undefined
    done.add(file)
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next, [...trail, file])
      if (circle !== undefined) return circle
    }
    return undefined
  }
  for (const file of graph.keys()) {
    const circle = visit(file, [])
    if (circle !== undefined) return circle
  }
  return undefined
}
