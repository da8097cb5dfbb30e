/** Transformer and explainer of an InferenceService: a hook, a URL or a command; the word about what is none of them. */
import { dirname, resolve } from 'node:path'
import type { DocumentComplaints } from './complaints.ts'
import { idleSecondsOf } from './idle.ts'
import type { Manifest } from './manifests.ts'
import type { Component, Container, InferenceServiceSpec } from './schemas.ts'
import type { ComponentWay, PlannedComponent } from './service-plan.ts'

type Role = PlannedComponent['role']
type ServiceManifest = Manifest<InferenceServiceSpec>

/** Say where the work of a component is done, as its `servable` block does: a module's file or a URL. */
export const componentAnnotations: Readonly<Record<Role, string>> = {
  transformer: 'servable/transformer',
  explainer: 'servable/explainer',
}

export interface PlannedComponents {
  /** Modules around the model, absolute paths, the outermost first. */
  readonly hooks: readonly PlannedHook[]
  readonly components: readonly PlannedComponent[]
}

/** A module whose functions work around the model. */
export interface PlannedHook {
  readonly role: Role
  /** Absolute. */
  readonly path: string
  /** The module must lie in it: the directory of the manifest. */
  readonly root: string
  readonly place: string
}

type Way = ComponentWay | { readonly kind: 'module'; readonly path: string }

const advice =
  'a module (servable: {module: ./name.mjs}), a URL (servable: {url: http://…}) or a command of its container'

/** @param allowCommands the user lets manifests start programs */
export function planComponents(
  manifest: ServiceManifest,
  allowCommands: boolean,
  complaints: DocumentComplaints,
): PlannedComponents {
  const hooks: PlannedHook[] = []
  const components: PlannedComponent[] = []
  for (const role of ['transformer', 'explainer'] as const) {
    const part = manifest.spec[role]
    if (part === undefined) continue
    const way = wayOf(role, part, manifest, allowCommands, complaints)
    if (way === undefined) continue
    const place = manifest.where(['spec', role])
    if (way.kind === 'module') hooks.push({ role, path: way.path, root: dirname(resolve(manifest.file)), place })
    else {
      const idleSeconds = idleSecondsOf(part.minReplicas, manifest.annotations, complaints)
      components.push({ role, way, place, ...(idleSeconds === undefined ? {} : { idleSeconds }) })
    }
  }
  return { hooks, components }
}

function wayOf(
  role: Role,
  part: Component,
  manifest: ServiceManifest,
  allowCommands: boolean,
  complaints: DocumentComplaints,
): Way | undefined {
  const annotation = manifest.annotations[componentAnnotations[role]]
  const { module, url } = part.servable ?? {}
  const path = ['spec', role]
  const given = [annotation, module, url].filter((each) => each !== undefined)
  if (given.length > 1) {
    complaints.error(path, `has ${given.length} places that say where its work is done: give one of them`)
    return undefined
  }
  const told = annotation ?? module ?? url
  if (told !== undefined) return toldWay(told, role, manifest, complaints)
  const container = containerOf(role, part)
  if (container?.command === undefined || container.command.length === 0) {
    const what = container?.image === undefined ? 'it names no work' : `the image '${container.image}'`
    const reason = container?.image === undefined ? '' : ' is not started: Servable runs no containers'
    complaints.error(path, `${what}${reason}; write its work as ${advice}, or leave it out`)
    return undefined
  }
  if (!allowCommands) {
    complaints.error(
      [...path, 'containers', 0, 'command'],
      `is not run unless the server is started with --allow-commands; or write its work as a module or a URL (servable: {url: http://…})`,
    )
    return undefined
  }
  return commandWay(container, container.command, role, manifest, complaints)
}

function toldWay(told: string, role: Role, { file }: ServiceManifest, complaints: DocumentComplaints): Way | undefined {
  if (/\.(js|mjs|cjs)$/.test(told) && !/^\w+:\/\//.test(told)) {
    return { kind: 'module', path: resolve(dirname(file), told) }
  }
  const parsed = URL.canParse(told) ? new URL(told) : undefined
  if (parsed?.protocol === 'http:' || parsed?.protocol === 'https:') return { kind: 'url', url: told }
  complaints.error(
    ['spec', role],
    'is neither a module (a file that ends in .js, .mjs or .cjs) nor a URL (that begins with http:// or https://)',
  )
  return undefined
}

function containerOf(role: Role, { containers = [] }: Component): Container | undefined {
  return containers.find(({ name }) => name === `${role}-container` || name === 'kserve-container') ?? containers[0]
}

function commandWay(
  { args = [], env = [], image }: Container,
  command: readonly string[],
  role: Role,
  { file }: ServiceManifest,
  complaints: DocumentComplaints,
): Way {
  const path = ['spec', role, 'containers', 0]
  if (image !== undefined) {
    complaints.warn(path, `the command is run on this machine, not in the image '${image}'`)
  }
  const unread = env.filter(({ value }) => value === undefined).map(({ name }) => name)
  if (unread.length > 0) complaints.warn(path, `only a cluster can fill in env ${unread.join(', ')}`)
  return {
    kind: 'command',
    command,
    args,
    env: Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]))),
    directory: dirname(resolve(file)),
  }
}
