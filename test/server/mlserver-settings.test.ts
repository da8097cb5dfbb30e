/** MLServer's settings.json in a served directory: what of it holds here, and what is warned of. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readServeConfig } from '../../src/server/read-config.ts'
import { directoryWith } from '../repository/directories.ts'

type Environment = Readonly<Record<string, string>>

async function configOf(settings: unknown, args: readonly string[] = [], environment: Environment = {}) {
  const text = typeof settings === 'string' ? settings : JSON.stringify(settings)
  const directory = await directoryWith({ 'settings.json': text })
  const { values, warnings } = readServeConfig([directory, ...args], environment)
  return { directory, values, warnings: warnings.map((warning) => warning.replace(`${directory}/`, '')) }
}

describe("MLServer's settings.json", () => {
  it('gives addresses, logs, workers and limits', async () => {
    const { values, warnings, directory } = await configOf({
      ...{ debug: true, host: '0.0.0.0', http_port: 9000, grpc_port: 9001, use_structured_logging: true },
      ...{ parallel_workers: 2, load_models_at_startup: false, grpc_max_message_length: 1_000_000 },
    })
    expect(values).toMatchObject({
      ...{ host: '0.0.0.0', httpPort: 9000, grpcPort: 9001, logLevel: 'debug', logFormat: 'json' },
      ...{ workers: 2, load: 'lazy', maxRequestBytes: 1_000_000, models: [directory] },
    })
    expect(warnings).toEqual([])
  })

  it('stands below flags, variables and servable.yaml', async () => {
    const settings = { http_port: 9000, grpc_port: 9001, host: '0.0.0.0' }
    const flags = await configOf(settings, ['--http-port', '7000'], { SERVABLE_GRPC_PORT: '7001' })
    expect(flags.values).toMatchObject({ httpPort: 7000, grpcPort: 7001, host: '0.0.0.0' })
    const own = await directoryWith({ 'servable.yaml': 'host: 127.0.0.2\n' })
    const file = await configOf(settings, ['--config', join(own, 'servable.yaml')])
    expect(file.values).toMatchObject({ httpPort: 9000, host: '127.0.0.2' })
  })

  it('stands below the variables of MLServer', async () => {
    const variables = { MLSERVER_HTTP_PORT: '9100', MLSERVER_DEBUG: 'true' }
    expect((await configOf({ http_port: 9000, debug: false }, [], variables)).values).toMatchObject({
      httpPort: 9100,
      logLevel: 'debug',
    })
    const without = await directoryWith({})
    expect(readServeConfig([without], variables).values).toMatchObject({ httpPort: 8080, logLevel: 'info' })
  })

  it('is silent about what MLServer does anyway', async () => {
    const usual = {
      debug: false,
      parallel_workers: 1,
      metrics_endpoint: '/metrics',
      extensions: [],
      gzip_enabled: true,
    }
    const { values, warnings } = await configOf({ ...usual, load_models_at_startup: true, tracing_server: null })
    expect(warnings).toEqual([])
    expect(values).toMatchObject({ logLevel: 'info', workers: 1, load: 'auto' })
  })

  it.each([
    [{ metrics_port: 8082 }, 'settings.json: metrics_port is not used: metrics are at /metrics of the REST port'],
    [{ http_port: 8080, kafka_enabled: true }, 'settings.json: kafka_enabled is not used: requests are not taken from'],
    [{ http_port: 8080, colour: 'red' }, 'settings.json: colour is not known and not used'],
    [{ grpc_max_message_length: -1 }, 'settings.json: grpc_max_message_length is not used: there is always a limit'],
    [{ cors_settings: { allow_origins: ['*'] } }, 'settings.json: cors_settings is not used'],
    ['{', 'settings.json is not read: '],
    ['[]', 'settings.json is not read: it is no JSON object'],
  ])('%j: warns by name', async (settings, expected) => {
    const { warnings, values } = await configOf(settings)
    expect(warnings).toEqual([expect.stringContaining(expected)])
    expect(values.httpPort).toBe(8080)
  })

  it.each([
    [{ http_port: '80x' }, 'settings.json: http_port: expected a port, got "80x"'],
    [{ grpc_port: 65_536 }, 'settings.json: grpc_port: expected a port, got 65536'],
    [{ http_port: null }, 'settings.json: http_port: expected a port, got null'],
    [{ debug: 'loud' }, 'settings.json: debug: expected true or false, got "loud"'],
    [{ parallel_workers: -1 }, 'settings.json: parallel_workers: expected a number of processes, 0 or more, got -1'],
    [{ grpc_max_message_length: 0.5 }, 'settings.json: grpc_max_message_length: expected a number of bytes, got 0.5'],
    [{ host: ['::'] }, 'settings.json: host: expected an address, got ["::"]'],
    [{ model_repository_root: 3 }, 'settings.json: model_repository_root: expected a path, got 3'],
  ])('%j: is refused, with what would be right', async (settings, expected) => {
    await expect(configOf(settings)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining(expected) as string,
    })
    await expect(configOf({ http_port: 9000 }, [], { MLSERVER_HTTP_PORT: 'high' })).rejects.toThrow(
      'MLSERVER_HTTP_PORT: expected a port, got "high"',
    )
  })

  it('takes numbers and truth as text, as MLServer does', async () => {
    const { values, warnings } = await configOf({ http_port: '9000', debug: 'true', parallel_workers: '1' })
    expect(values).toMatchObject({ httpPort: 9000, logLevel: 'debug', workers: 1 })
    expect(warnings).toEqual([])
  })

  it('names the directory of the models, from its own', async () => {
    const { values, directory } = await configOf({ model_repository_root: './models' })
    expect(values.models).toEqual([join(directory, 'models')])
  })

  it('is left alone where it is of something else', async () => {
    const { values, warnings } = await configOf({ 'editor.tabSize': 2 })
    expect(warnings).toEqual([])
    expect(values.httpPort).toBe(8080)
  })
})
