/** What the command says to somebody who does not know it yet, or mistypes. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { serveSettings } from '../../src/server/config.ts'
import { flagName } from '../../src/server/settings.ts'
import { Bench } from './cli-process.ts'
import { matching } from './matchers.ts'

const bench = new Bench()
afterAll(() => bench.close())

describe('servable', () => {
  it.each([[[]], [['--help']], [['help']]])('%j says what to do next', async (args) => {
    const { status, stdout, stderr } = await bench.output(args)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/Usage: servable <command>/)
    expect(stdout).toContain('servable demo')
    for (const command of ['serve', 'demo', 'inspect', 'infer'])
      expect(stdout).toMatch(new RegExp(`^  ${command} +\\w`, 'm'))
  })

  it('tells its version', async () => {
    expect(await bench.output(['--version'])).toMatchObject({
      status: 0,
      stdout: matching(/^servable \d+\.\d+\.\d+\n$/),
    })
  })

  it.each(['serve', 'demo', 'inspect', 'infer'])('%s --help shows how to use it', async (command) => {
    const { status, stdout, stderr } = await bench.output([command, '--help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain(`servable ${command}`)
  })

  it('serve --help names every setting', async () => {
    const { stdout } = await bench.output(['serve', '--help'])
    for (const name of Object.keys(serveSettings)) expect(stdout).toContain(`--${flagName(name)}`)
    expect(stdout).toContain('SERVABLE_HTTP_PORT')
  })
})

describe('a mistake', () => {
  it.each([
    [['serve', '--htp-port', '1'], /^servable: unknown option --htp-port, did you mean --http-port\? .*\n$/],
    [['serve', '--http-port', 'x'], /^servable: --http-port: expected an integer from 0 to 65535, got 'x'\n$/],
    [['serve', '--http-port'], /^servable: --http-port: expected a value: .*\n$/],
    [['serve'], /^servable: nothing to serve: .*servable demo.*\n$/],
    [['serve', 'no-such-path'], /^servable: .*no-such-path.*\n$/],
    [['serve', 'models', '--model-name', 'one'], /^servable: .*exactly one model.*\n$/],
    [['serve', 'models', '--config', 'no-such.yaml'], /^servable: .*no-such\.yaml.*\n$/],
    [['demo', '--device', 'gpu'], /^servable: --device: expected auto, cpu, cuda or cuda:N, got 'gpu'\n$/],
    [['inspect'], /^servable inspect: .+\n$/],
    [['infer'], /^servable infer: .+\n$/],
    [['srve'], /^servable: unknown command 'srve', did you mean 'serve'\?\n/],
  ])('%j is told in one line, with status 2', async (args, text) => {
    const { status, stdout, stderr } = await bench.output(args)
    expect(stderr).toMatch(text)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })

  it('in servable.yaml names its line', async () => {
    const cwd = await bench.directory()
    await writeFile(join(cwd, 'servable.yaml'), 'host: 127.0.0.1\nhtp_port: 1\n')
    const { status, stderr } = await bench.output(['serve', '.'], { cwd })
    expect(stderr).toBe("servable: servable.yaml:2: unknown key 'htp_port', did you mean 'http_port'?\n")
    expect(status).toBe(2)
  })

  it('in the environment names the variable', async () => {
    const { status, stderr } = await bench.output(['serve', '.'], { environment: { SERVABLE_DRAIN_SECONDS: 'soon' } })
    expect(stderr).toMatch(/^servable: SERVABLE_DRAIN_SECONDS: expected an integer .*\n$/)
    expect(status).toBe(2)
  })
})
