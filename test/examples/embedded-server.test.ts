/** The example of a server inside a program. */
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { probabilities, startServer } from '../../examples/embedded-server/main.ts'
import { Bench } from '../e2e/cli-process.ts'
import { readSample } from '../e2e/samples.ts'
import { samples } from '../paths.ts'

const program = fileURLToPath(new URL('../../examples/embedded-server/main.js', import.meta.url))
const bench = new Bench()
afterAll(() => bench.close())

describe('the embedded server', () => {
  it('answers the program without a socket as it answers a sample over HTTP', async () => {
    const server = await startServer(samples)
    const found = await probabilities(server, [6.3, 3.3, 6, 2.5])
    await server.close()
    const expected = /"probabilities".*?"data":\[([^\]]+)\]/.exec(JSON.stringify(readSample('iris').answer))?.[1] ?? ''
    const numbers = expected.split(',').map(Number)
    expect(found).toHaveLength(numbers.length)
    for (const [index, number] of numbers.entries()) expect(found[index]).toBeCloseTo(number, 5)
  })

  it('is a program that prints them and ends', async () => {
    const cli = bench.run([], { command: [process.execPath, program] })
    expect(await cli.ended).toEqual({ status: 0, signal: null })
    expect(cli.stdout).toMatch(/^\[\s*0\.9\d+,/)
  })
})
