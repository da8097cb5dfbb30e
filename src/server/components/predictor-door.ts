/** The address under which transformers and explainers find the models themselves, without what stands in for them. */
import type { FastifyInstance } from 'fastify'
import { InferenceError } from '../../core/errors.ts'
import { listenFailure, portOf, urlHost } from '../addresses.ts'

const loopback = '127.0.0.1'

export class PredictorDoor {
  readonly #open: () => FastifyInstance
  readonly #host: string
  readonly #port: number
  #app: FastifyInstance | undefined
  #address: Promise<string> | undefined

  /**
   * @param open makes the app, when the first one asks for the address
   * @param port any free one of the loopback where absent
   */
  constructor(open: () => FastifyInstance, host: string, port: number | undefined) {
    this.#open = open
    this.#host = port === undefined ? loopback : host
    this.#port = port ?? 0
  }

  /** `127.0.0.1:34567`. @throws InferenceError `failed_precondition` where the port is taken */
  address(): Promise<string> {
    this.#address ??= this.#listen()
    return this.#address
  }

  async close(): Promise<void> {
    await this.#app?.close()
  }

  async #listen(): Promise<string> {
    const app = this.#open()
    this.#app = app
    try {
      // Not shared among the processes of a group: each has transformers of its own.
      await app.listen({ host: this.#host, port: this.#port, exclusive: this.#port === 0 })
    } catch (reason) {
      const message = listenFailure(reason, this.#host, this.#port).replace('--http-port', '--predictor-port')
      throw new InferenceError('failed_precondition', message, { cause: reason })
    }
    return `${urlHost(this.#host)}:${portOf(app.server)}`
  }
}
