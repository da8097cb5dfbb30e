/** The hosts of services: `<name>.<namespace>.<domain>`, those of their components, and the tags of a rollout. */
import type { GrpcHosts } from '../../grpc/door.ts'
import type { PlannedService } from '../../kserve/index.ts'
import type { FoundService, RestServices } from '../../rest/serving-routes.ts'
import type { Graphs } from '../graphs/graphs.ts'

type HostedService = Pick<PlannedService, 'name' | 'namespace' | 'model' | 'components'>
export type RevisionTag = 'latest' | 'prev'

/** The revision of a service that a tag names, or that has the requests where there is no tag; undefined where there is none. */
export type RevisionOf = (service: HostedService, tag: RevisionTag | undefined) => string | undefined

const component = /-(predictor|transformer|explainer)(-default|-canary)?$/

export class ServiceHosts implements RestServices {
  readonly #revisionOf: RevisionOf
  #byKey: ReadonlyMap<string, HostedService> = new Map()

  constructor(revisionOf: RevisionOf) {
    this.#revisionOf = revisionOf
  }

  /** Answers for these services from here on. */
  become(services: readonly HostedService[]): void {
    this.#byKey = new Map(
      services.flatMap((service) => {
        const { name, namespace } = service
        // Without Knative, KServe's template is `<name>-<namespace>.<domain>`.
        return [
          [`${name}.${namespace}`, service],
          [`${name}-${namespace}.`, service],
        ] as const
      }),
    )
  }

  get isEmpty(): boolean {
    return this.#byKey.size === 0
  }

  atHost(host: string): FoundService | undefined {
    if (this.#byKey.size === 0 || !/^[a-z]/i.test(host)) return undefined
    const dot = host.indexOf('.')
    if (dot === -1) return undefined
    const text = host.toLowerCase()
    const end = text.slice(dot + 1).search(/[.:]|$/) + dot + 1
    return this.#find(text.slice(0, dot), text.slice(dot + 1, end))
  }

  at(namespace: string, name: string): FoundService | undefined {
    return this.#find(name, namespace)
  }

  #find(label: string, namespace: string): FoundService | undefined {
    const plain = this.#service(label, namespace)
    if (plain !== undefined) return { model: plain.model, asked: plain.model }
    const [, tag, rest = label] = /^(latest|prev)-(.+)$/.exec(label) ?? []
    const part = component.exec(rest)?.[1]
    const service = this.#service(rest, namespace) ?? this.#service(rest.replace(component, ''), namespace)
    if (service === undefined) return undefined
    const { model, components } = service
    const isAround = part === 'predictor' && components.length > 0
    if (tag === undefined && !isAround) return { model, asked: model }
    const revision = this.#revisionOf(service, tag === 'latest' || tag === 'prev' ? tag : undefined)
    return { model, asked: revision ?? model }
  }

  #service(label: string, namespace: string): HostedService | undefined {
    return this.#byKey.get(`${label}.${namespace}`) ?? this.#byKey.get(`${label}.`)
  }
}

/** The same hosts for gRPC: graphs first, as over REST. */
export function grpcHosts(graphs: Pick<Graphs, 'isEmpty' | 'atHost'>, services: ServiceHosts): GrpcHosts {
  return {
    get isEmpty() {
      return services.isEmpty && graphs.isEmpty
    },
    atHost: (host) => {
      const graph = graphs.atHost(host)
      return graph === undefined ? services.atHost(host) : { model: graph, asked: graph }
    },
  }
}
