/** Models of the Hugging Face hub: two GETs of its public API. */
import { z } from 'zod'
import { InferenceError } from '../core/errors.ts'
import { authorities, variable, type Environment } from './environment.ts'
import { HttpClient } from './http-client.ts'
import { httpFailure, openOverHttp } from './http-objects.ts'
import { shownUri } from './location.ts'
import type { Listing, OpenedObject, Store, StoredObject } from './store.ts'

const name = 'Hugging Face'
const advice = 'Give a token that may read it in HF_TOKEN; gated models have to be asked for on their page first.'
/** A listing of a hundred thousand files. */
const maxListingBytes = 64 * 2 ** 20

const repository = z.object({
  sha: z.string().regex(/^[0-9a-f]{40,64}$/),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.number().optional(),
      blobId: z.string().optional(),
      lfs: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.number() }).nullish(),
    }),
  ),
})

/** @param uri `hf://owner/model` or `hf://owner/model:revision`, the revision a branch, tag or commit */
export async function hfStore(uri: string, environment: Environment): Promise<Store> {
  const [, id, revision = 'main'] = /^hf:\/\/([\w.-]+(?:\/[\w.-]+)?)(?::([^:]+))?$/i.exec(uri.replace(/\/+$/, '')) ?? []
  if (id === undefined) {
    throw new InferenceError(
      'invalid_argument',
      `${shownUri(uri)}: expected hf://owner/model or hf://owner/model:revision`,
    )
  }
  const ca = await authorities(environment)
  const token = variable(environment, 'HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN')
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const endpoint = (variable(environment, 'HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, '')
  if (!URL.canParse(endpoint)) throw new InferenceError('invalid_argument', 'HF_ENDPOINT: expected an address')
  const client = new HttpClient({ name, headers, ...(ca === undefined ? {} : { ca }) })
  return new HfStore({ id, revision, endpoint, uri: shownUri(uri) }, client)
}

interface HfParts {
  readonly id: string
  readonly revision: string
  readonly endpoint: string
  readonly uri: string
}

class HfStore implements Store {
  readonly name = name
  readonly uri: string
  readonly #parts: HfParts
  readonly #client: HttpClient
  /** The commit that was listed: all files are of it, whatever happens to the branch meanwhile. */
  #commit = ''

  constructor(parts: HfParts, client: HttpClient) {
    this.#parts = parts
    this.#client = client
    this.uri = parts.uri
  }

  async list(signal: AbortSignal): Promise<Listing> {
    const { id, revision, endpoint } = this.#parts
    const url = new URL(`${endpoint}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`)
    const answer = await this.#client.get(url, {}, signal)
    if (answer.statusCode !== 200) {
      answer.resume()
      throw httpFailure(name, { address: this.uri }, answer.statusCode, advice)
    }
    const parsed = repository.safeParse(await this.#client.json(answer, url, maxListingBytes))
    if (!parsed.success) throw new InferenceError('unavailable', `${name} tells of ${this.uri} what cannot be read`)
    this.#commit = parsed.data.sha
    return { objects: parsed.data.siblings.map((file) => this.#object(file)), isFile: false }
  }

  #object({ rfilename, size, blobId, lfs }: z.infer<typeof repository>['siblings'][number]): StoredObject {
    const { id, endpoint } = this.#parts
    const bytes = lfs?.size ?? size
    const isGitHash = blobId !== undefined && /^[0-9a-f]{40}$/.test(blobId) && bytes !== undefined
    return {
      path: rfilename,
      address: `${endpoint}/${id}/${rfilename}`,
      ...(bytes === undefined ? {} : { bytes }),
      tag: lfs?.sha256 ?? blobId ?? this.#commit,
      ...(lfs === undefined || lfs === null
        ? isGitHash && { checksum: { algorithm: 'sha1', hex: blobId, prefix: `blob ${bytes}\0` } }
        : { checksum: { algorithm: 'sha256', hex: lfs.sha256 } }),
    }
  }

  open({ path, address }: StoredObject, offset: number, signal: AbortSignal): Promise<OpenedObject | undefined> {
    const { id, endpoint } = this.#parts
    const url = new URL(
      `${endpoint}/${id}/resolve/${this.#commit}/${path.split('/').map(encodeURIComponent).join('/')}`,
    )
    return openOverHttp(this.#client, { url, isPinned: true }, offset, signal, ({ statusCode }) =>
      httpFailure(name, { address }, statusCode, advice),
    )
  }

  close(): void {
    this.#client.close()
  }
}
