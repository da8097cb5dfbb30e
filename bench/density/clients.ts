/** Clients that wait for their answers, each request for a model of their choice. */
import { Agent, request } from 'node:http'

/** One answer. */
export interface Answer {
  readonly sentMs: number
  readonly ms: number
  /** 0 where the connection failed. */
  readonly status: number
  readonly text: string
}

export interface ClientOptions {
  readonly clients: number
  /** Asked before each request; no more are sent once it is false. */
  readonly isOn: () => boolean
  /** The path of the next request. */
  readonly next: () => string
  readonly body: string
  readonly answered: (answer: Answer) => void
}

export async function runClients(url: string, options: ClientOptions): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.clients })
  const client = async (): Promise<void> => {
    while (options.isOn()) options.answered(await ask(url + options.next(), options.body, agent))
  }
  await Promise.all(Array.from({ length: options.clients }, client))
  agent.destroy()
}

function ask(url: string, body: string, agent: Agent): Promise<Answer> {
  const sentMs = performance.now()
  return new Promise((resolve) => {
    const end = (status: number, text: string): void =>
      resolve({ sentMs, ms: performance.now() - sentMs, status, text })
    const sent = request(url, { method: 'POST', agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('error', (reason) => end(0, reason.message))
      response.on('end', () => end(response.statusCode ?? 0, text))
    })
    sent.on('error', (reason) => end(0, reason.message))
    sent.end(body)
  })
}

/** Numbers from 0, the n-th as often as 1/n: what is asked of many models is asked mostly of few. */
export function zipf(count: number, random: () => number): () => number {
  const sums: number[] = []
  let sum = 0
  for (let rank = 1; rank <= count; rank += 1) sums.push((sum += 1 / rank))
  return () => {
    const wanted = random() * sum
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}
