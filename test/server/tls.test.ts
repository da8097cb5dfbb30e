/** Both doors with TLS, and the client's way through them. */
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createClient, type ConnectOptions } from '../../src/client/index.ts'
import { silentLog } from '../../src/core/log.ts'
import { runInfer } from '../../src/cli/infer.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import { createServer, type ServerOptions } from '../../src/server/server.ts'
import { fixtures, root } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'

const file = (name: string) => join(fixtures, 'tls', name)
const ca = await readFile(file('ca.crt'), 'utf8')
const own = { certificate: await readFile(file('client.crt')), key: await readFile(file('client.key')) }
const tls = { tlsCertificate: file('server.crt'), tlsKey: file('server.key') }

const half = defineModel({
  inputs: { x: { datatype: 'FP32', shape: [-1] } },
  outputs: { y: { datatype: 'FP32', shape: [-1] } },
  predict: ({ x }) => ({ y: x.data.map((value) => value / 2) }),
})

async function start(options: ServerOptions) {
  const server = await createServer({
    models: { half },
    log: silentLog,
    httpPort: 0,
    grpcPort: 0,
    drainSeconds: 1,
    ...options,
  })
  onTestFinished(() => server.close())
  const { http, grpc = '' } = await server.start()
  return { http, grpcs: `grpcs://${grpc}` }
}

async function ask(url: string, options: ConnectOptions): Promise<readonly number[]> {
  const client = createClient(url, { retries: 0, timeoutMs: 5000, ...options })
  onTestFinished(() => client.close())
  const { outputs } = await client.infer('half', { x: [3] })
  return Array.from(outputs['y']?.data ?? [], Number)
}

describe('a server with a certificate', () => {
  it('answers by https and grpcs', async () => {
    const { http, grpcs } = await start(tls)
    expect(http).toMatch(/^https:/)
    for (const url of [http, grpcs]) {
      for (const protocol of ['v2', 'v1'] as const) expect(await ask(url, { protocol, tls: { ca } })).toEqual([1.5])
    }
  })

  it('is not trusted without its authority', async () => {
    const { http, grpcs } = await start(tls)
    await expect(ask(http, {})).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/certificate/) as string,
    })
    await expect(ask(grpcs, {})).rejects.toMatchObject({ code: 'unavailable' })
  })

  it.skipIf(process.platform !== 'linux')(
    'is not trusted at an address that its certificate does not name (skipped: only Linux has 127.0.0.2)',
    async () => {
      const { http, grpcs } = await start({ ...tls, host: '127.0.0.2' })
      for (const url of [http, grpcs]) {
        await expect(ask(url, { tls: { ca } })).rejects.toMatchObject({
          code: 'unavailable',
          message: expect.stringMatching(/127\.0\.0\.2 is not in the cert's list/) as string,
        })
      }
    },
  )

  it('does not answer in the clear, and goes on after who tries', async () => {
    const { http, grpcs } = await start(tls)
    await expect(ask(http.replace('https', 'http'), {})).rejects.toMatchObject({ code: 'unavailable' })
    await expect(ask(grpcs.replace('grpcs', 'grpc'), {})).rejects.toMatchObject({ code: 'unavailable' })
    for (const url of [http, grpcs]) {
      await new Promise((resolve) => {
        const socket = connect(Number(new URL(url.replace('grpcs', 'https')).port), '127.0.0.1', () => {
          socket.end('this is no handshake\r\n\r\n')
        })
        socket.on('error', resolve).on('close', resolve).resume()
      })
      expect(await ask(url, { tls: { ca } })).toEqual([1.5])
    }
  })

  it('drains with connections open', async () => {
    const server = await createServer({
      models: { half },
      log: silentLog,
      httpPort: 0,
      grpcPort: 0,
      drainSeconds: 20,
      ...tls,
    })
    const { http, grpc = '' } = await server.start()
    for (const url of [http, `grpcs://${grpc}`]) await ask(url, { tls: { ca } })
    const started = performance.now()
    await server.close()
    expect(performance.now() - started).toBeLessThan(15_000)
  })
})

describe('a server that asks for certificates', () => {
  const mutual = { ...tls, tlsCa: file('ca.crt') }

  it('answers who brings one that its authority has signed', async () => {
    const { http, grpcs } = await start(mutual)
    for (const url of [http, grpcs]) expect(await ask(url, { tls: { ca, ...own } })).toEqual([1.5])
  })

  it('refuses everybody else', async () => {
    const { http, grpcs } = await start(mutual)
    for (const url of [http, grpcs]) {
      await expect(ask(url, { tls: { ca } })).rejects.toMatchObject({ code: 'unavailable' })
    }
  })

  it('is asked by servable infer with files', async () => {
    const { http, grpcs } = await start(mutual)
    for (const url of [http, grpcs]) {
      let text = ''
      const io = {
        stdout: { write: (part: string) => (text += part) },
        stderr: { write: (part: string) => (text += part) },
      }
      const flags = [
        '--tls-ca',
        file('ca.crt'),
        '--tls-certificate',
        file('client.crt'),
        '--tls-key',
        file('client.key'),
      ]
      expect([await runInfer([url, 'half', '--input', 'x=3', ...flags], io), text]).toEqual([
        0,
        expect.stringContaining('1.5'),
      ])
    }
  })
})

describe('what is wrong with the files', () => {
  const refused = (options: ServerOptions, message: RegExp | string) =>
    expect(createServer({ models: { half }, log: silentLog, ...options })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: typeof message === 'string' ? message : (expect.stringMatching(message) as string),
    })

  it('is told with the setting and the file', async () => {
    const directory = await directoryWith({ 'text.pem': 'no certificate' })
    const text = join(directory, 'text.pem')
    await refused({ tlsKey: tls.tlsKey }, '--tls-key is set alone: TLS needs --tls-certificate and --tls-key')
    await refused({ tlsCa: file('ca.crt') }, /^--tls-ca is set alone/)
    await refused({ ...tls, tlsKey: 'nowhere.key' }, /^--tls-key: cannot read nowhere.key: ENOENT/)
    await refused({ ...tls, tlsCertificate: text }, `--tls-certificate: ${text} holds no PEM of a certificate`)
    await refused({ ...tls, tlsKey: text }, `--tls-key: ${text} holds no PEM of a private key without a passphrase`)
    await refused({ ...tls, tlsCa: text }, `--tls-ca: ${text} holds no PEM of a certificate`)
    await refused(
      { ...tls, tlsKey: file('client.key') },
      `--tls-key: ${file('client.key')} is not the key of the certificate in ${tls.tlsCertificate}`,
    )
  })

  it('is told by the client', async () => {
    for (const url of ['https://localhost:1', 'grpcs://localhost:1']) {
      await expect((async () => ask(url, { tls: { ca: 'no certificate', key: 'no key' } }))()).rejects.toMatchObject({
        code: 'invalid_argument',
      })
    }
    const errors: string[] = []
    const io = { stdout: { write: () => true }, stderr: { write: (part: string) => errors.push(part) } }
    expect(await runInfer(['https://localhost:1', 'half', '--tls-ca', join(root, 'nowhere.pem')], io)).toBe(2)
    expect(errors.join('')).toMatch(/--tls-ca: cannot read .*nowhere.pem/)
  })
})
