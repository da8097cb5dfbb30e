import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { serveSettings } from '../../src/server/config.ts'
import { readServeConfig } from '../../src/server/read-config.ts'
import { bytes, flagName, helpOf, keyName, parseSettings, variableName } from '../../src/server/settings.ts'

const read = (args: string[], environment: Record<string, string> = {}) => readServeConfig(args, environment).values
const message = (work: () => unknown) => {
  try {
    work()
  } catch (reason) {
    return (reason as Error).message
  }
  return 'no error'
}

describe('settings of serve', () => {
  it('has a flag, a variable and a key for every setting', () => {
    expect(flagName('httpPort')).toBe('http-port')
    expect(variableName('httpPort')).toBe('SERVABLE_HTTP_PORT')
    expect(keyName('httpPort')).toBe('http_port')
    const help = helpOf(serveSettings)
    for (const name of Object.keys(serveSettings)) expect(help).toContain(`--${flagName(name)}`)
  })

  it('takes KServe spellings', () => {
    expect(
      read(['--model_name', 'iris', '--model_dir=/mnt/models', '--http_port', '9000', '--grpc_port=9001']),
    ).toMatchObject({
      modelName: 'iris',
      models: ['/mnt/models'],
      httpPort: 9000,
      grpcPort: 9001,
    })
  })

  it('takes paths as positional arguments', () => {
    expect(read(['./a', '--http-port', '0', 'b.onnx']).models).toEqual(['./a', 'b.onnx'])
  })

  it('takes manifests by the letter that kubectl has for them', () => {
    expect(read(['-f', 'a.yaml', '--file=b', '-f', 'c', 'models'])).toMatchObject({
      file: ['a.yaml', 'b', 'c'],
      models: ['models'],
    })
    expect(message(() => read(['-g', 'a.yaml']))).toMatch(/^unknown option -g/)
    expect(message(() => read(['-f']))).toBe('-f: expected a value: -f PATH')
  })

  it('takes directories for claims', () => {
    expect(read(['--pvc', 'a=/x', '--pvc=b=y=z']).pvc).toEqual([
      ['a', '/x'],
      ['b', 'y=z'],
    ])
    expect(message(() => read(['--pvc', 'a']))).toBe("--pvc: expected CLAIM=PATH, got 'a'")
  })

  it('lets a flag win over the environment, that over the file, that over the default', () => {
    const folder = mkdtempSync(join(tmpdir(), 'servable-settings-'))
    try {
      const file = join(folder, 'servable.yaml')
      writeFileSync(file, 'http_port: 1\ngrpc-port: 2\ndrain_seconds: 3\nmodels:\n  - ./x\n  - ./y\n')
      const environment = { SERVABLE_CONFIG: file, SERVABLE_GRPC_PORT: '22', SERVABLE_HTTP_PORT: '11' }
      expect(read(['--http-port', '111'], environment)).toMatchObject({
        httpPort: 111,
        grpcPort: 22,
        drainSeconds: 3,
        models: ['./x', './y'],
        logLevel: 'info',
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('takes switches alone, negated and with a value', () => {
    expect(read(['--exit-on-load-failure']).exitOnLoadFailure).toBe(true)
    expect(read(['--no-exit-on-load-failure']).exitOnLoadFailure).toBe(false)
    expect(read(['--exit_on_load_failure', 'false', 'models'])).toMatchObject({
      exitOnLoadFailure: false,
      models: ['models'],
    })
  })

  it('names the flag and what would be right', () => {
    expect(message(() => read(['--http-port', 'x']))).toBe("--http-port: expected an integer from 0 to 65535, got 'x'")
    expect(message(() => read(['--http-port']))).toBe('--http-port: expected a value: --http-port PORT')
    expect(message(() => read(['--htp-port', '1']))).toBe(
      'unknown option --htp-port, did you mean --http-port? See --help.',
    )
    expect(message(() => read(['--device', 'gpu']))).toContain('expected auto, cpu, cuda or cuda:N')
    expect(message(() => read([], { SERVABLE_DRAIN_SECONDS: '-1' }))).toBe(
      "SERVABLE_DRAIN_SECONDS: expected an integer from 0 to 3600, got '-1'",
    )
  })

  it('names the line of a wrong key or value in the file', () => {
    const file = (text: string) => () =>
      parseSettings(serveSettings, { args: [], file: { path: 'servable.yaml', text } })
    expect(message(file('host: a\nhttp_prt: 1'))).toBe(
      "servable.yaml:2: unknown key 'http_prt', did you mean 'http_port'?",
    )
    expect(message(file('\n\nhttp_port: no'))).toContain('servable.yaml:3: http_port: expected an integer')
    expect(message(file('http_port: [1'))).toContain('servable.yaml:1')
    expect(message(file('- a'))).toContain('expected keys and values')
    expect(message(file('http_port: {a: 1}'))).toBe('servable.yaml:1: http_port: expected PORT')
  })

  it('reads sizes', () => {
    expect([bytes('12'), bytes('64MiB'), bytes('1.5GB'), bytes('2 kb')]).toEqual([12, 67_108_864, 1_500_000_000, 2000])
    expect(() => bytes('many')).toThrow('expected a size')
  })
})
