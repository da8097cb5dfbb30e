/** Clients that ask without a pause over connections that they keep, and that count what becomes of each request. */
import { Agent, request } from 'node:http'

export interface Counts {
  ok: number
  /** 503 with Retry-After. */
  refused: number
  /** No connection could be had: nothing was sent. */
  unconnected: number
  /** Everything else, in words: requests that were lost. */
  readonly lost: string[]
}

export class Hammer {
  readonly counts: Counts = { ok: 0, refused: 0, unconnected: 0, lost: [] }
  readonly #url: string
  readonly #body: string
  readonly #agent: Agent
  readonly #done: Promise<unknown>
  #isStopped = false

  /** @param url of a POST; a client ends at the first connection that is refused once `stop` was called */
  constructor(url: string, body: unknown, clients: number) {
    this.#url = url
    this.#body = JSON.stringify(body)
    this.#agent = new Agent({ keepAlive: true, maxSockets: clients })
    this.#done = Promise.all(Array.from({ length: clients }, () => this.#ask()))
  }

  /** Resolves once `count` requests were answered from now on. */
  async answered(count: number): Promise<void> {
    const end = this.counts.ok + count
    while (this.counts.ok < end && this.counts.lost.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  /** Resolves when every client has its last answer. */
  async stop(): Promise<Counts> {
    this.#isStopped = true
    await this.#done
    this.#agent.destroy()
    return this.counts
  }

  async #ask(): Promise<void> {
    while (!this.#isStopped) {
      const isConnected = await this.#one()
      if (!isConnected) return
    }
  }

  #one(): Promise<boolean> {
    return new Promise((resolve) => {
      const sent = request(this.#url, { method: 'POST', agent: this.#agent }, (response) => {
        response.resume()
        response.once('error', ({ message }) => this.#lose(`answer: ${message}`))
        response.once('close', () => {
          const { statusCode, headers, complete } = response
          if (!complete) this.#lose('answer cut off')
          else if (statusCode === 200) this.counts.ok += 1
          else if (statusCode === 503 && headers['retry-after'] !== undefined) this.counts.refused += 1
          else this.#lose(`status ${statusCode}`)
          resolve(true)
        })
      })
      sent.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') this.counts.unconnected += 1
        else this.#lose(`${error.code ?? ''} ${error.message} ${sent.reusedSocket ? 'on a kept connection' : ''}`)
        resolve(error.code !== 'ECONNREFUSED')
      })
      sent.end(this.#body)
    })
  }

  #lose(what: string): void {
    this.counts.lost.push(what)
  }
}
