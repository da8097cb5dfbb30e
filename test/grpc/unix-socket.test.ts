/** gRPC on a Unix socket: who may connect, and what another process left there. */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { createServer as createServableServer } from '../../src/server/server.ts'
import { samples } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'
import { MeshPeer } from '../server/modelmesh/mesh-peer.ts'

/** Starts a server with the sample model at a socket beside its port. */
async function startAt(grpcSocket: string) {
  const server = await createServableServer({
    models: join(samples, 'add-sub'),
    log: silentLog,
    httpPort: 0,
    drainSeconds: 1,
    grpcSocket,
  })
  onTestFinished(() => server.close())
  await server.start()
  const peer = new MeshPeer(`unix:${grpcSocket}`)
  onTestFinished(() => peer.close())
  return { server, peer }
}

describe('a Unix socket', () => {
  it('serves its user and group, and goes with the server', async () => {
    const path = join(await directoryWith({}), 'data.sock')
    const { server, peer } = await startAt(path)
    expect(statSync(path).mode & 0o777).toBe(0o660)
    expect(await peer.infer('add-sub')).toMatchObject({ model_name: 'add-sub' })
    peer.close()
    await server.close()
    expect(existsSync(path)).toBe(false)
  })

  it('takes the place of one whose process is gone', async () => {
    const path = join(await directoryWith({}), 'data.sock')
    const leave = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', leave])
    expect(existsSync(path)).toBe(true)
    const { peer } = await startAt(path)
    expect(await peer.infer('add-sub')).toMatchObject({ model_name: 'add-sub' })
  })

  it('is left to a process that listens there', async () => {
    const path = join(await directoryWith({}), 'data.sock')
    const other = createServer((socket) => socket.destroy())
    onTestFinished(() => void other.close())
    await new Promise<void>((resolve) => other.listen(path, resolve))
    await expect(startAt(path)).rejects.toThrow(`unix:${path}: another process listens there`)
    expect(existsSync(path)).toBe(true)
  })

  it('replaces no file', async () => {
    const directory = await directoryWith({ 'data.sock': 'text' })
    await expect(startAt(join(directory, 'data.sock'))).rejects.toThrow('something else of that name')
  })

  it('has a path that fits', async () => {
    const directory = await directoryWith({})
    await expect(startAt(join(directory, 'x'.repeat(108)))).rejects.toThrow('longer than the 107 bytes')
    await expect(startAt(join(directory, 'none', 'data.sock'))).rejects.toThrow(/none.*data\.sock.*ENOENT|EACCES/)
  })
})
